package wire

// Sum returns the Internet checksum (16 bits, wire order) of the n bytes at addr, a multiple of four, and of the words in
// sum, already added up. It is 0 for data that holds its own checksum, a right one. At most 2047 bytes count; up to three
// bytes behind them, of the same word, are read.
//
//oob:stage any
//go:noescape
func Sum(addr uintptr, n, sum uint32) uint32
