// A loop that only the packet ends.
#include "../bpf.h"

SEC("socket") int endless(struct __sk_buff *skb) {
	__u32 at = 0;
	while (load_byte(skb, at) != 0)
		at++;
	return at & 3;
}
