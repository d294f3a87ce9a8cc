// A function that is called.
#include "../bpf.h"

__attribute__((noinline)) int helper(struct __sk_buff *skb) {
	return load_byte(skb, 1) & 3;
}

SEC("socket") int call(struct __sk_buff *skb) {
	return helper(skb);
}
