// A hash of addresses and ports.
#include "bpf.h"

SEC("socket") int hash(struct __sk_buff *skb) {
	__u32 h = load_word(skb, 12);
	h = h * 0x9e3779b1u + load_word(skb, 16);
	h ^= h >> 15;
	h *= 0x85ebca77u;
	h += load_word(skb, 20);
	h ^= h >> 13;
	h *= 0xc2b2ae3du;
	h ^= h >> 16;
	return h % 4 == 3 ? VLAN : h & 3;
}
