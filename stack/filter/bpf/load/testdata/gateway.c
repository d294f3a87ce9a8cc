// VLAN 42: UDP to the gateway's own address and port, with the priority that it should have.
#include "bpf.h"

SEC("socket") int gateway(struct __sk_buff *skb) {
	if (skb->len < 32)
		return DROP;
	if (skb->protocol != htons(0x8100) || (load_half(skb, 0) & 0xfff) != 42)
		return VLAN;
	if (load_half(skb, 2) != 0x0800 || load_byte(skb, 13) != 17)
		return SKIP;
	if (load_word(skb, 20) != 0x0a000001 || load_half(skb, 26) != 7)
		return SKIP;
	return ACCEPT;
}
