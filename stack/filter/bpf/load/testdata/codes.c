// Values that are no verdicts count as SKIP.
#include "bpf.h"

SEC("socket") int codes(struct __sk_buff *skb) {
	return load_byte(skb, 1) & 7;
}
