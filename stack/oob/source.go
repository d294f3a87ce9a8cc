package oob

// sources lists the addresses that a frame to be answered cannot come from: this machine's own, and the first and last of its
// oob ports' networks. suspects marks the last octet of each: a source whose last octet is not marked is not in the list,
// which spares nearly all peers the search.
type sources struct {
	suspects [256]uint32
	n        uint32
	refused  [maxRefused]uint32 // wire order
}

// maxRefused is three addresses for each oob port, one for each other; lists looks at eight in a round.
const maxRefused = (MaxOwn + 3*Devices*MaxPorts + 7) &^ 7

// refuse adds addr to the list.
//
//oob:stage inband
func (s *sources) refuse(addr uint32) {
	if addr == 0 || s.n >= uint32(len(s.refused)) {
		return
	}
	s.refused[s.n] = addr
	s.n++
	s.suspects[addr>>24] = 1
}

// refusePort adds the addresses of a port.
//
//oob:stage inband
func (s *sources) refusePort(p *PortConfig) {
	addr, mask := word(p.Addr), p.mask()
	s.refuse(addr)
	if addr != 0 && p.Prefix < 31 { // RFC 3021: a /31 has two hosts
		s.refuse(addr & mask)
		s.refuse(addr | ^mask)
	}
}

// isRefused reports whether addr, which is not 0, is in the list.
//
//oob:stage oob
func (s *sources) isRefused(addr uint32) bool {
	for i := range s.refused {
		if s.refused[i] == addr {
			return true
		}
	}
	return false
}

// lists is isRefused where a call costs less than a loop: eight a round.
//
//oob:stage oob
//go:noinline
func (s *sources) lists(addr uint32) bool {
	for i := 0; i < len(s.refused); i += 8 {
		r := (*[8]uint32)(s.refused[i:])
		if r[0] == addr || r[1] == addr || r[2] == addr || r[3] == addr || r[4] == addr || r[5] == addr || r[6] == addr || r[7] == addr {
			return true
		}
	}
	return false
}

// isHost reports whether addr can be a host's at all.
//
//oob:stage oob
func isHost(addr uint32) bool {
	first := addr & 0xff
	return first != 0 && first != 127 && first < 224
}
