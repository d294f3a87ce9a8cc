package oob

import "testing"

// All addresses that there can be have room.
func TestSources(t *testing.T) {
	var s sources
	for i := range uint32(MaxOwn) {
		s.refuse(100 + i)
	}
	for p := range Devices * MaxPorts {
		s.refusePort(&PortConfig{VID: uint16(10 + p), Addr: [4]byte{10, 0, byte(p), 1}, Prefix: 24})
	}
	for p := range Devices * MaxPorts {
		for _, host := range []byte{0, 1, 255} {
			if addr := word([4]byte{10, 0, byte(p), host}); !s.isRefused(addr) || !s.lists(addr) {
				t.Errorf("10.0.%d.%d of port %d is not in the list", p, host, p)
			}
		}
	}
}
