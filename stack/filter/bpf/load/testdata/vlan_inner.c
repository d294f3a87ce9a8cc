// Up to two tags; the inner VLAN ID decides.
#include "bpf.h"

SEC("socket") int vlan_inner(struct __sk_buff *skb) {
	__u32 type = ntohs(skb->protocol), at = 0, vid = 0;
	if (type == 0x88a8) {
		vid = load_half(skb, 0) & 0xfff;
		type = load_half(skb, 2);
		at = 4;
	}
	if (type == 0x8100) {
		vid = load_half(skb, at) & 0xfff;
		type = load_half(skb, at + 2);
		at += 4;
	}
	if (type == 0x8100 || type == 0x88a8)
		return SKIP;
	if (!vid)
		return VLAN;
	if (vid >= 42 && vid <= 45)
		return ACCEPT;
	return vid == 100 ? DROP : SKIP;
}
