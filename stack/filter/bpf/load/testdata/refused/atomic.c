// An atomic operation.
#include "../bpf.h"

SEC("socket") int atomic(struct __sk_buff *skb) {
	__u64 x = skb->len;
	__sync_fetch_and_add(&x, 3);
	return x & 3;
}
