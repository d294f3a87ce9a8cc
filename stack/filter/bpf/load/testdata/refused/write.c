// Writes to the context.
#include "../bpf.h"

SEC("socket") int write(struct __sk_buff *skb) {
	skb->cb[0] = 1;
	return ACCEPT;
}
