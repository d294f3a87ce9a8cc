// A map.
#include "../bpf.h"

static void *(*lookup)(void *map, const void *key) = (void *)1;

struct {
	int (*type)[1];
	__u32 *key;
	__u64 *value;
} counts __attribute__((section(".maps"), used));

SEC("socket") int map(struct __sk_buff *skb) {
	__u32 key = skb->len;
	__u64 *n = lookup(&counts, &key);
	return n ? ACCEPT : SKIP;
}
