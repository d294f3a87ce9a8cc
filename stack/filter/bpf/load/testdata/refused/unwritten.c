// Stack that was never written.
#include "../bpf.h"

SEC("socket") int unwritten(struct __sk_buff *skb) {
	volatile __u32 x[2];
	x[0] = skb->len;
	return x[1] & 3;
}
