package wire

import "unsafe"

// maxSum is the largest run of bytes that Sum takes: a slot, less one. More is cut, so that its loop is bounded.
const maxSum = 2047

// addresses is the offset of an IPv4 header's addresses in bytes.
const addresses = 12

// Fold returns the ones' complement sum of the halves of sum: 16 bits.
//
//oob:stage any
func Fold(sum uint32) uint32 {
	// The high half of sum + (sum rotated by 16): both halves, and the carry of the low one's addition.
	return (sum + (sum<<16 | sum>>16)) >> 16
}

// Update returns checksum as it is after a 16-bit word of the data changed from old to new. All are halves in wire order.
//
// Equation 3 of RFC 1624: HC' = ~(~HC + ~m + m'). CAUTION: it gives 0 for data that has become all zeros, whose checksum is 0xffff.
//
//oob:stage any
func Update(checksum, old, new uint32) uint32 {
	return Fold(0xffff-checksum+0xffff-old+new) ^ 0xffff
}

// UpdateTTL returns the third word of an IPv4 header with ttl for its time to live and the checksum that follows from it.
// It is Update without a shift: the sum's high half lies where the checksum does.
//
//oob:stage any
func UpdateTTL(word, ttl uint32) uint32 {
	// Of time to live and protocol, the word summed, only the first changes.
	sum := ^(word>>16 + word&0xff + 0xffff - ttl)
	sum += sum<<16 | sum>>16
	return ^sum&0xffff_0000 | word&0xff00 | ttl
}

// Add returns the ones' complement sum of a and b, 32 bits wide.
//
//oob:stage any
func Add(a, b uint32) uint32 {
	s := uint64(a) + uint64(b)
	return uint32(s) + uint32(s>>32)
}

// HeaderValid reports whether the checksum of a 20-byte IPv4 header is right, given its words.
//
//oob:stage any
func HeaderValid(w0, w1, w2, w3, w4 uint32) bool { return HeaderSum(w0, w1, w2, w3, w4) == 0 }

// HeaderSum returns the checksum of a 20-byte IPv4 header, given its words: 0 if it holds its own.
//
//oob:stage any
func HeaderSum(w0, w1, w2, w3, w4 uint32) uint32 {
	s := uint64(w0) + uint64(w1) + uint64(w2) + uint64(w3) + uint64(w4)
	return Fold(Add(uint32(s), uint32(s>>32))) ^ 0xffff
}

// sumGo is Sum in Go: the only one where there is no assembly, and what the assembly is tested against. Each 32-bit word
// counts as its two halves do: 2³² ≡ 2¹⁶ ≡ 1 modulo 0xffff (RFC 1071, 2(B) and 2(C)).
//
//oob:stage any
func sumGo(addr uintptr, n, sum uint32) uint32 {
	n &= maxSum
	s := uint64(sum)
	//oob:loop maxSum/4 n is cut to maxSum
	for ; n >= 4; n -= 4 {
		s += uint64(*(*uint32)(unsafe.Add(nil, addr)))
		addr += 4
	}
	if n > 0 {
		// The first n bytes of the last word: the others are not part of the data.
		s += uint64(*(*uint32)(unsafe.Add(nil, addr)) & (1<<(8*n) - 1))
	}
	return Fold(Add(uint32(s), uint32(s>>32))) ^ 0xffff
}

// sumUDPGo is SumUDP in Go.
//
//oob:stage any
func sumUDPGo(packet uintptr, n uint32) uint32 {
	ip, u := IPv4At(packet), UDPAt(packet+IPv4Len)
	pseudo := ProtoUDP<<8 + u.Checksum&0xffff
	return HeaderSum(ip.Head, ip.Frag, ip.Proto, ip.Src, ip.Dst)<<16 | sumGo(packet+addresses, n+IPv4Len-addresses, pseudo)
}

// SelfTest compares Sum and SumUDP with the plain Go versions over the size bytes of scratch memory at addr (a multiple of four,
// overwritten), and returns the first length at which they differ, or 0. In-band, and for tests on the target.
//
//oob:stage inband
func SelfTest(addr uintptr, size uint32) (length uint32) {
	size = min(size, maxSum+1)
	for pattern := range uint32(4) {
		x := 2463534242 + pattern
		for off := uint32(0); off+4 <= size; off += 4 {
			x ^= x << 13
			x ^= x >> 17
			x ^= x << 5
			v := x
			switch pattern {
			case 1:
				v = 0xffff_ffff
			case 2:
				v = x | 0xff00_ff00
			}
			*(*uint32)(unsafe.Add(nil, addr+uintptr(off))) = v
		}
		for n := uint32(1); n+4 <= size; n++ {
			if Sum(addr, n, x) != sumGo(addr, n, x) {
				return n
			}
			if n+IPv4Len+4 <= size && SumUDP(addr, n) != sumUDPGo(addr, n) {
				return n
			}
		}
	}
	return 0
}
