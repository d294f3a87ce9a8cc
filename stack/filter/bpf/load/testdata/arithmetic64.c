// Arithmetic of 64 bits.
#include "bpf.h"

SEC("socket") int arithmetic64(struct __sk_buff *skb) {
	__u64 a = load_word(skb, 0) << 32 | load_word(skb, 4), b = load_word(skb, 8) << 32 | load_word(skb, 12);
	__u64 x = a * b + 0x123456789abcdefull;
	x -= (a | 0xff00ff00ff00ull) ^ (b & ~0xfull);
	if (a > b)
		x = -x;
	if (x >= 0x8000000000000000ull)
		x = ~x;
	if (a & 0x100000000ull)
		x += b;
	return (x >> 32 ^ x >> 7) & 3;
}
