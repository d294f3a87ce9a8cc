// Fragments and Don't Fragment.
#include "bpf.h"

SEC("socket") int fragments(struct __sk_buff *skb) {
	if (skb->protocol != htons(0x0800))
		return SKIP;
	__u32 f = load_half(skb, 6);
	if (f & 0x8000)
		return DROP;
	if (f & 0x3fff)
		return SKIP;
	return f & 0x4000 ? ACCEPT : VLAN;
}
