package enettest

import "encoding/binary"

// The registers of the address filter, and their bits (IMX6ULLRM, 22.5).
const (
	palr       = 0x0e4
	iaur, ialr = 0x118, 0x11c
	gaur, galr = 0x120, 0x124

	rcrPROM, rcrBCRej = 1 << 3, 1 << 4

	missed = 1 << 24 // word 0 of the descriptor, M: taken in promiscuous mode only
)

// takes reports whether the address filter takes a frame: to the controller's own address, to everybody unless RCR.BC_REJ is set, to
// an address whose bit in the individual or the group hash is set; in promiscuous mode all, those else not taken as missed.
func (e *ENET) takes(b []byte) (took, miss bool) {
	if len(b) < 6 {
		return true, false // not judged here
	}
	dst := [6]byte(b)
	high, low := iaur, ialr
	switch {
	case dst == [6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}:
		took = e.regs[rcr/4]&rcrBCRej == 0
		high, low = gaur, galr
	case dst[0]&1 != 0:
		high, low = gaur, galr
	default:
		took = binary.BigEndian.Uint32(dst[:]) == e.regs[palr/4] && uint32(binary.BigEndian.Uint16(dst[4:])) == e.regs[paur/4]>>16
	}
	took = took || (uint64(e.regs[high/4])<<32|uint64(e.regs[low/4]))>>hashOf(dst)&1 != 0
	if !took && e.regs[rcr/4]&rcrPROM != 0 {
		return true, true
	}
	return took, false
}

// hashOf returns the bit of an address: the six most significant of the register of its CRC-32, bit by bit, without the final complement.
func hashOf(addr [6]byte) uint {
	crc := ^uint32(0)
	for _, b := range addr {
		for range 8 {
			odd := (crc ^ uint32(b)) & 1
			crc >>= 1
			if odd != 0 {
				crc ^= 0xedb88320
			}
			b >>= 1
		}
	}
	return uint(crc >> 26)
}
