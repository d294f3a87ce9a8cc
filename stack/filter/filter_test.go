package filter

import "testing"

// TestVerdictCodes: programs return these numbers, EVL's.
func TestVerdictCodes(t *testing.T) {
	if Drop != 0 || Accept != 1 || Skip != 2 || VLAN != 3 {
		t.Errorf("verdicts = %d, %d, %d, %d, want 0, 1, 2, 3", Drop, Accept, Skip, VLAN)
	}
}

func TestVLANMap(t *testing.T) {
	var m VLANMap
	for vid := uint32(0); vid <= MaxVID; vid++ {
		m.Set(vid, vid%7)
	}
	for tci := uint32(0); tci < 1<<16; tci++ {
		if got, want := m.Port(tci), tci%4096%7; got != want {
			t.Fatalf("Port(%#x) = %d, want %d", tci, got, want)
		}
		if got, want := m.PortTCI(tci<<16|0xabcd), m.Port(tci); got != want {
			t.Fatalf("PortTCI(%#x) = %d, want %d", tci<<16, got, want)
		}
	}
}

func TestVIDSet(t *testing.T) {
	var s VIDSet
	for vid := range uint16(5000) {
		s.Add(vid)
	}
	for vid := range uint32(1 << 16) {
		if got, want := s.Has(uint16(vid)), vid > 1 && vid < 4095; got != want {
			t.Errorf("Has(%d) = %v, want %v", vid, got, want)
		}
	}
}

func TestPortSet(t *testing.T) {
	var s PortSet
	s.Add(0, 65535)
	s.Remove(100, 199)
	s.Add(150, 150)
	s.Remove(65535, 65535)
	s.Add(7, 6) // empty
	for port := range uint32(1 << 16) {
		want := port < 100 || port > 199 && port < 65535 || port == 150
		if got := s.Has(uint16(port)); got != want {
			t.Fatalf("Has(%d) = %v, want %v", port, got, want)
		}
	}
}

func TestAllocs(t *testing.T) {
	var m VLANMap
	var s PortSet
	var v VIDSet
	if n := testing.AllocsPerRun(10, func() { _, _, _ = m.Port(42), s.Has(7), v.Has(42) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}
