// Sums as many bytes as the packet has, sixteen at most.
#include "bpf.h"

SEC("socket") int length_loop(struct __sk_buff *skb) {
	__u32 n = skb->len, sum = 0;
	if (n > 16)
		n = 16;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < n; i++)
		sum += load_byte(skb, i) << (i & 7);
	return (sum ^ sum >> 4) & 3;
}
