// Two programs.
#include "../bpf.h"

SEC("socket/one") int first(struct __sk_buff *skb) {
	return skb->len > 100 ? ACCEPT : SKIP;
}

SEC("socket/two") int second(struct __sk_buff *skb) {
	return skb->protocol == 8 ? ACCEPT : SKIP;
}
