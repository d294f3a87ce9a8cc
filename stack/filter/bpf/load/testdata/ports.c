// A switch over many ports: a tree of jumps.
#include "bpf.h"

SEC("socket") int ports(struct __sk_buff *skb) {
	if (skb->protocol != htons(0x0800) || load_byte(skb, 9) != 17)
		return SKIP;
	switch (load_half(skb, (load_byte(skb, 0) & 15) * 4 + 2)) {
	case 7: case 319: case 320: case 4840: return ACCEPT;
	case 53: case 67: case 68: case 123: return SKIP;
	case 9: case 19: return DROP;
	case 5000 ... 5010: return ACCEPT;
	case 34962 ... 34964: return VLAN;
	}
	return VLAN;
}
