// A table on the stack, written and read by variable indices.
#include "bpf.h"

SEC("socket") int stack_table(struct __sk_buff *skb) {
	__u32 table[8];
	table[0] = 5, table[1] = 7, table[2] = 11, table[3] = 13, table[4] = 17, table[5] = 19, table[6] = 23, table[7] = 29;
	__u32 i = load_byte(skb, 1) & 7, j = load_byte(skb, 2) & 7;
	table[i] += load_byte(skb, 3);
	table[j] ^= table[i] << 1;
	return (table[i] + table[j & 6] + table[(i + j) & 7]) & 3;
}
