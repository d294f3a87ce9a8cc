// A field that is not there.
#include "../bpf.h"

SEC("socket") int mark(struct __sk_buff *skb) {
	return skb->mark & 3;
}
