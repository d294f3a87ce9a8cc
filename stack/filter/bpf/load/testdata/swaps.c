// Byte orders of 16, 32 and 64 bits.
#include "bpf.h"

SEC("socket") int swaps(struct __sk_buff *skb) {
	__u64 x;
	__u32 y;
	__u16 z;
	if (bpf_skb_load_bytes(skb, 0, &x, sizeof x) || bpf_skb_load_bytes(skb, 8, &y, sizeof y) || bpf_skb_load_bytes(skb, 13, &z, sizeof z))
		return SKIP;
	x = __builtin_bswap64(x) - 3;
	y = ntohl(y) + 7;
	z = ntohs(z) ^ 5;
	x = __builtin_bswap64(x ^ y) + z;
	return (x >> 61 ^ x >> 5) & 3;
}
