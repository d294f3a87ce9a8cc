// The context's fields, parts of them too.
#include "bpf.h"

SEC("socket") int fields(struct __sk_buff *skb) {
	__u32 v = skb->len > 60;
	v += (__u8)skb->protocol == 8;
	v += skb->vlan_tci + skb->vlan_present + skb->vlan_proto;
	v += skb->ifindex == 1;
	v ^= *((volatile __u8 *)&skb->len + 1);
	v ^= *((volatile __u16 *)&skb->protocol) >> 3 & 1;
	return v & 3;
}
