//go:build !arm

package wire

// Sum returns the Internet checksum (16 bits, wire order) of the n bytes at addr, a multiple of four, and of the words in
// sum, already added up. It is 0 for data that holds its own checksum, a right one. At most 2047 bytes count; up to three
// bytes behind them, of the same word, are read.
//
//oob:stage any
func Sum(addr uintptr, n, sum uint32) uint32 { return sumGo(addr, n, sum) }

// SumUDP returns two checksums of the IPv4 packet without options at packet, a multiple of four, that carries n bytes of
// UDP, header and data: UDP's in the low half, pseudo header included, and the IPv4 header's in the high half. Each is 0 for a
// right one (UDP's also depends on whether there is one: 0 in its field). Like Sum, it reads to the end of the last word.
//
//oob:stage any
func SumUDP(packet uintptr, n uint32) uint32 { return sumUDPGo(packet, n) }
