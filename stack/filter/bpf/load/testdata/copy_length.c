// Copies a length that the packet says.
#include "bpf.h"

SEC("socket") int copy_length(struct __sk_buff *skb) {
	__u8 buffer[32] = {};
	__u32 n = load_byte(skb, 0) & 31;
	if (n == 0)
		return SKIP;
	if (bpf_skb_load_bytes(skb, 1, buffer, n))
		return DROP;
	__u32 sum = 0;
#pragma unroll
	for (int i = 0; i < 32; i++)
		sum += buffer[i];
	return sum & 3;
}
