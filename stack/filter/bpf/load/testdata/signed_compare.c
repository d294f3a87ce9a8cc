// Comparisons of signed numbers, of 32 and 64 bits.
#include "bpf.h"

SEC("socket") int signed_compare(struct __sk_buff *skb) {
	int a = load_word(skb, 0), b = load_word(skb, 4);
	__s64 c = (__s64)(load_word(skb, 8) << 32 | load_word(skb, 12));
	int v = 0;
	if (a > b)
		v += 1;
	if (c < -1000000)
		v += 2;
	if (a >= -3 && b <= 77)
		v ^= 3;
	if (c >= (__s64)a * b)
		v ^= 1;
	return v & 3;
}
