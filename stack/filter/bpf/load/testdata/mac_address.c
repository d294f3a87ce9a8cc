// The Ethernet header, by both ways there are.
#include "bpf.h"

SEC("socket") int mac_address(struct __sk_buff *skb) {
	__u8 mac[6];
	if (load_byte(skb, -MAC) & 1)
		return SKIP;
	if (bpf_skb_load_bytes_relative(skb, 6, mac, sizeof mac, BPF_HDR_START_MAC))
		return DROP;
	if (mac[0] == 2 && load_word(skb, -MAC + 8) >> 24 == mac[2])
		return mac[5] & 1 ? ACCEPT : VLAN;
	return SKIP;
}
