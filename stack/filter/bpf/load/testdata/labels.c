// Walks up to eight labels of a name, as in DNS: a loop whose steps depend on the packet.
#include "bpf.h"

SEC("socket") int labels(struct __sk_buff *skb) {
	__u32 at = 0, n = 0;
#pragma clang loop unroll(disable)
	for (int i = 0; i < 8; i++) {
		__u32 size = load_byte(skb, at);
		if (!size)
			break;
		if (size > 63)
			return DROP;
		at += size + 1;
		n++;
	}
	return n > 2 ? ACCEPT : SKIP;
}
