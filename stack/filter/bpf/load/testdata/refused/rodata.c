// A table in memory.
#include "../bpf.h"

static const __u8 table[16] = {1, 2, 3, 1, 2, 2, 3, 1, 0, 0, 2, 2, 1, 3, 2, 1};

SEC("socket") int rodata(struct __sk_buff *skb) {
	__u32 i = load_byte(skb, 0) & 15;
	return table[i];
}
