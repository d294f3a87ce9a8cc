// UDP to the services of this gateway from its own network is the oob stage's; other datagrams to them are discarded. Everything
// else is left to the ports, as if there were no program.
#include <linux/bpf.h>

unsigned long long load_byte(void *skb, unsigned long long off) asm("llvm.bpf.load.byte");
unsigned long long load_half(void *skb, unsigned long long off) asm("llvm.bpf.load.half");
unsigned long long load_word(void *skb, unsigned long long off) asm("llvm.bpf.load.word");

enum { DROP, ACCEPT, SKIP, VLAN };

__attribute__((section("socket"), used)) int filter(struct __sk_buff *skb) {
	if (skb->protocol != __builtin_bswap16(0x0800)) // IPv4 without a tag
		return VLAN;
	if (load_byte(skb, 0) != 0x45 || load_half(skb, 6) & 0x3fff) // options, fragments
		return VLAN;
	if (load_byte(skb, 9) != 17) // UDP
		return VLAN;
	unsigned int port = load_half(skb, 22);
	if (port != 7 && (port < 5000 || port > 5009))
		return VLAN;
	return load_word(skb, 12) >> 16 == 0x0a00 ? ACCEPT : DROP; // from 10.0.0.0/16
}
