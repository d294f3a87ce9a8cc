// The same by a loop that stays one.
#include "bpf.h"

SEC("socket") int checksum_loop(struct __sk_buff *skb) {
	if (skb->protocol != htons(0x0800) || load_byte(skb, 0) != 0x45)
		return SKIP;
	__u32 sum = 0;
#pragma clang loop unroll(disable)
	for (int i = 0; i < 10; i++)
		sum += load_half(skb, 2 * i);
	sum = (sum >> 16) + (sum & 0xffff);
	sum += sum >> 16;
	return (sum & 0xffff) == 0xffff ? ACCEPT : DROP;
}
