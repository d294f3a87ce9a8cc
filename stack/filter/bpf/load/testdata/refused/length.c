// A length that may be too large.
#include "../bpf.h"

SEC("socket") int length(struct __sk_buff *skb) {
	__u8 x[16] = {};
	if (bpf_skb_load_bytes(skb, 0, x, load_half(skb, 0)))
		return DROP;
	return x[3] & 3;
}
