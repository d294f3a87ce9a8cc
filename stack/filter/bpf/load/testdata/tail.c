// The last bytes of the packet.
#include "bpf.h"

SEC("socket") int tail(struct __sk_buff *skb) {
	__u32 n = skb->len;
	if (n < 4)
		return SKIP;
	__u32 last = load_byte(skb, n - 1), word = load_word(skb, n - 4), half = load_half(skb, n - 3);
	if (last == (word & 0xff) && half == (word >> 8 & 0xffff))
		return (last ^ word >> 8) & 1 ? ACCEPT : VLAN;
	return DROP;
}
