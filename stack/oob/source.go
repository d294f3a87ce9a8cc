package oob

// refused lists the addresses that a frame to be answered cannot come from: our own, and the first and last of the ports'
// networks. suspects marks the last octet of each: a source whose last octet is not marked is not in the list, which
// spares nearly all peers the search.
var (
	refused struct {
		n    uint32
		addr [64]uint32 // wire order; at most Devices × MaxPorts × 3 + MaxOwn
	}
	suspects [256]uint32
)

// refuse adds addr to the refused sources.
//
//oob:stage inband
func refuse(addr uint32) {
	if addr == 0 || refused.n >= uint32(len(refused.addr)) {
		return
	}
	refused.addr[refused.n] = addr
	refused.n++
	suspects[addr>>24] = 1
}

// isRefused reports whether addr, which is not 0, is in the list.
//
//oob:stage oob
func isRefused(addr uint32) bool {
	for i := range refused.addr {
		if refused.addr[i] == addr {
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
