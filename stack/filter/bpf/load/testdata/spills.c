// More values at a time than there are registers.
#include "bpf.h"

SEC("socket") int spills(struct __sk_buff *skb) {
	__u64 a = load_byte(skb, 0), b = load_half(skb, 1), c = load_word(skb, 3), d = load_byte(skb, 7);
	__u64 e = load_half(skb, 8), f = load_word(skb, 10), g = load_byte(skb, 14), h = load_half(skb, 15);
	__u64 i = load_word(skb, 17), j = load_byte(skb, 2), k = load_half(skb, 4);
	a = a * b + c;
	e = (e ^ f) - (g << 33);
	h = h + i * j - k;
	__u64 x = (a ^ e << 3) + (h ^ d << 40) + b * i - c * f + g * h;
	return (x >> 33 ^ x) & 3;
}
