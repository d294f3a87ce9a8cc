// An index that may be too large.
#include "../bpf.h"

SEC("socket") int beyond(struct __sk_buff *skb) {
	volatile __u8 x[16] = {};
	return x[load_byte(skb, 0) & 31] & 3;
}
