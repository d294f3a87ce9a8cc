// The dearest filter program that may judge each frame of a full activation, 24 steps: most of them copy from an odd address to an
// odd address. Frames with an 802.1ad tag are the oob stage's, whatever the port's rules say.
#include <linux/bpf.h>

unsigned long long load_half(void *skb, unsigned long long off) asm("llvm.bpf.load.half");
static long (*load_bytes)(const void *skb, __u32 offset, void *to, __u32 len) = (void *)26;

enum { DROP, ACCEPT, SKIP, VLAN };

__attribute__((section("socket"), used)) int costly(struct __sk_buff *skb) {
	char bytes[64];
	load_bytes(skb, 1, bytes + 1, 48);
	return load_half(skb, -0x200000 + 12) == 0x88a8 ? ACCEPT : VLAN;
}
