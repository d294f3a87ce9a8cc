// A helper that is not there.
#include "../bpf.h"

static long (*print)(const char *format, __u32 size) = (void *)6;

SEC("socket") int print_(struct __sk_buff *skb) {
	char text[4] = "hi";
	print(text, 3);
	return ACCEPT;
}
