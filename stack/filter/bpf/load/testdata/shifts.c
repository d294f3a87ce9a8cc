// Shifts by variable amounts, of 64 and 32 bits, logical and arithmetic.
#include "bpf.h"

SEC("socket") int shifts(struct __sk_buff *skb) {
	__u64 a = load_word(skb, 0) << 32 | load_word(skb, 4);
	__u32 k = load_byte(skb, 8) & 63, b = load_word(skb, 9);
	__u64 x = a << k ^ a >> (63 - k);
	__s64 y = (__s64)a >> k;
	int z = (int)b >> (k & 31);
	__u32 u = b << (k & 31) | b >> (31 - (k & 31));
	x += y + z - u;
	x ^= x >> 32;
	x ^= x >> 16;
	return x & 3;
}
