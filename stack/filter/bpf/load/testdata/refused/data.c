// Direct access to the packet.
#include "../bpf.h"

SEC("socket") int data(struct __sk_buff *skb) {
	__u8 *p = (void *)(__u64)skb->data;
	return p[0] & 3;
}
