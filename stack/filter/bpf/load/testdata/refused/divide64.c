// A division of 64 bits.
#include "../bpf.h"

SEC("socket") int divide64(struct __sk_buff *skb) {
	__u64 x;
	if (bpf_skb_load_bytes(skb, 0, &x, 8)) return DROP;
	return x / 1000 & 3;
}
