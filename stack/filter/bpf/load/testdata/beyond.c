// Reads beyond short packets: the program ends there, by DROP.
#include "bpf.h"

SEC("socket") int beyond(struct __sk_buff *skb) {
	__u32 x = load_byte(skb, 5);
	if (x & 1)
		x += load_word(skb, skb->len - 3);
	if (x & 2)
		x += load_half(skb, 70 + (x & 15));
	if (x & 4)
		x += load_byte(skb, skb->len);
	if (x & 8)
		x += load_word(skb, 1000);
	return (x & 1) + 1;
}
