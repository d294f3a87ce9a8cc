// UDP to port 7 of any IPv4 address, without options: accepted. Other IPv4 by the VLAN map, the rest in-band.
#include "bpf.h"

SEC("socket") int udp_port(struct __sk_buff *skb) {
	if (skb->protocol != htons(0x0800))
		return SKIP;
	if (load_byte(skb, 0) != 0x45 || load_byte(skb, 9) != 17)
		return VLAN;
	if (load_half(skb, 6) & 0x3fff)
		return VLAN;
	return load_half(skb, 22) == 7 ? ACCEPT : VLAN;
}
