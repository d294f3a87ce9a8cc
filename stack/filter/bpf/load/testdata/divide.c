// Divisions of 32 bits, by constants and by what may be zero.
#include "bpf.h"

SEC("socket") int divide(struct __sk_buff *skb) {
	__u32 a = load_word(skb, 0), b = load_byte(skb, 4);
	__u32 q = a / 1000 + a % 77;
	q += b ? a / b + a % b : 1;
	return (q ^ q >> 7) & 3;
}
