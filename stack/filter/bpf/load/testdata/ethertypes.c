// Protocols that are not IP, by the packet's type alone.
#include "bpf.h"

SEC("socket") int ethertypes(struct __sk_buff *skb) {
	switch (ntohs(skb->protocol)) {
	case 0x88a4: // EtherCAT
	case 0x8892: // PROFINET
	case 0x88f7: // PTP
	case 0x22f0: // AVTP
	case 0xb62c: // OPC UA UADP
		return ACCEPT;
	case 0x0806:
	case 0x0800:
		return VLAN;
	}
	return skb->vlan_present ? DROP : SKIP;
}
