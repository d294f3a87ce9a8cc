// The UDP port behind an IPv4 header with options.
#include "bpf.h"

SEC("socket") int options(struct __sk_buff *skb) {
	if (skb->protocol != htons(0x0800))
		return SKIP;
	__u32 size = (load_byte(skb, 0) & 15) << 2;
	if (size < 20)
		return DROP;
	if (load_byte(skb, 9) != 17)
		return SKIP;
	return load_half(skb, size + 2) == 7 ? ACCEPT : VLAN;
}
