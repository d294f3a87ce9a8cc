// IPv4 in up to two tags, headers copied to the stack: the way filters for EVL are written.
#include "bpf.h"

struct tag { __u16 tci, type; };
struct ip { __u8 vihl, tos; __u16 len, id, frag; __u8 ttl, proto; __u16 sum; __u32 src, dst; };

SEC("socket") int evl_vlan(struct __sk_buff *skb) {
	struct tag tag;
	struct ip ip;
	__u16 type = ntohs(skb->protocol);
	int at = 0;
	if (type == 0x88a8) {
		if (bpf_skb_load_bytes(skb, 0, &tag, sizeof tag))
			return SKIP;
		at = sizeof tag;
		type = ntohs(tag.type);
	}
	if (type == 0x8100) {
		if (bpf_skb_load_bytes(skb, at, &tag, sizeof tag))
			return SKIP;
		at += sizeof tag;
		type = ntohs(tag.type);
	}
	if (type != 0x0800)
		return SKIP;
	if (bpf_skb_load_bytes(skb, at, &ip, sizeof ip))
		return SKIP;
	if (ip.vihl >> 4 != 4)
		return SKIP;
	return ip.proto == 17 ? ACCEPT : VLAN;
}
