// The IPv4 header's checksum, by a loop that the compiler unrolls.
#include "bpf.h"

SEC("socket") int checksum(struct __sk_buff *skb) {
	if (skb->protocol != htons(0x0800) || load_byte(skb, 0) != 0x45)
		return SKIP;
	__u32 sum = 0;
#pragma unroll
	for (int i = 0; i < 10; i++)
		sum += load_half(skb, 2 * i);
	sum = (sum >> 16) + (sum & 0xffff);
	sum += sum >> 16;
	return (sum & 0xffff) == 0xffff ? ACCEPT : DROP;
}
