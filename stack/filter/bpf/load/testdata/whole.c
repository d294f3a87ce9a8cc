// What a gateway's filter may look like: tags, EtherCAT, UDP ports, multicast, a rate class by DSCP.
#include "bpf.h"

INLINE int udp(struct __sk_buff *skb, __u32 at) {
	__u32 head = load_half(skb, at);
	if (head >> 12 != 4)
		return DROP;
	if (load_half(skb, at + 6) & 0x3fff || load_byte(skb, at + 9) != 17)
		return SKIP;
	__u32 size = (head >> 8 & 15) * 4, dst = load_word(skb, at + 16);
	if (dst >> 28 == 14)
		return SKIP;
	__u32 port = load_half(skb, at + size + 2);
	if (port == 7 || port - 4000 < 100)
		return ACCEPT;
	return (head & 0xfc) == 0xb8 ? VLAN : SKIP;
}

SEC("socket") int whole(struct __sk_buff *skb) {
	__u32 type = ntohs(skb->protocol), at = 0, vid = 0;
#pragma unroll
	for (int i = 0; i < 2; i++)
		if (type == 0x8100 || type == 0x88a8) {
			vid = load_half(skb, at) & 0xfff;
			type = load_half(skb, at + 2);
			at += 4;
		}
	if (type == 0x88a4)
		return ACCEPT;
	if (vid && (vid < 42 || vid > 45))
		return SKIP;
	return type == 0x0800 ? udp(skb, at) : VLAN;
}
