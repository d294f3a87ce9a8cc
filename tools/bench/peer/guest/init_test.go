package main

import (
	"strings"
	"testing"
)

func TestReadSettings(t *testing.T) {
	good := map[string]string{
		"PEER_DEVICE": "20b4000.ethernet", "PEER_ADDRESS": "10.0.2.15/24", "PEER_MAC": "02:00:00:00:0e:02",
		"PEER_NEIGHBOUR": "10.0.2.2", "PEER_NEIGHBOUR_MAC": "02:00:00:00:b0:02", "PEER_LOAD": "1",
	}
	s, err := readSettings(func(name string) string { return good[name] })
	if err != nil {
		t.Fatal(err)
	}
	if s.device != "20b4000.ethernet" || s.own.String() != "10.0.2.15/24" || s.mac.String() != "02:00:00:00:0e:02" ||
		s.peer.String() != "10.0.2.2" || s.peerMAC.String() != "02:00:00:00:b0:02" || !s.load || s.threaded {
		t.Errorf("readSettings = %+v", s)
	}
	for missing := range good {
		if missing == "PEER_LOAD" {
			continue
		}
		_, err := readSettings(func(name string) string {
			if name == missing {
				return ""
			}
			return good[name]
		})
		if err == nil || !strings.Contains(err.Error(), missing) {
			t.Errorf("without %s: %v, want an error that names it", missing, err)
		}
	}
}

// TestThreadName holds names as the kernel cuts them (15 characters) against the controller's.
func TestThreadName(t *testing.T) {
	for name, want := range map[string]bool{
		"irq/201-20b4000": true, "irq/47-20b4000.": true, "irq/203-2188000": false, "napi/eth0-8193": true, "napi/eth1-8193": false,
		"irq/47-": false, "irq/": false, "ksoftirqd/0": false, "init": false,
	} {
		if got := feeds(name, "eth0", "20b4000.ethernet"); got != want {
			t.Errorf("feeds(%q) = %v, want %v", name, got, want)
		}
	}
}

func TestKernelStructures(t *testing.T) {
	a := hardware([]byte{2, 0, 0, 0, 0xe, 2})
	if a.family != 1 || a.data[5] != 2 || a.data[6] != 0 { // ARPHRD_ETHER
		t.Errorf("hardware address %+v", a)
	}
}
