// Words and half words at every alignment.
#include "bpf.h"

SEC("socket") int unaligned(struct __sk_buff *skb) {
	__u32 x = load_word(skb, 0) ^ load_word(skb, 1) ^ load_word(skb, 2) ^ load_word(skb, 3);
	x += load_half(skb, 5) * load_half(skb, 6);
	__u32 k = load_byte(skb, 7) & 7;
	x ^= load_word(skb, k + 8) + load_half(skb, k + 9);
	return (x >> 3 ^ x >> 17) & 3;
}
