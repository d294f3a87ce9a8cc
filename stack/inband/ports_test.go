package inband_test

import (
	"net/netip"
	"sync"
	"testing"
)

// A port that is added answers as those of the configuration do, and is gone when it is removed.
func TestAddPort(t *testing.T) {
	s, l := alone(t)
	address := netip.MustParsePrefix("10.0.77.1/24")
	request := frame(gwMAC, peerMAC, 77, 0x800, ipv4(1, "10.0.77.9", "10.0.77.1", ping("x")))
	l.inject(request)
	waitCounter(t, s, "unknown_vlan", 1)
	for i := range 3 {
		if err := s.AddPort(0, 77, "rt0.77", address); err != nil {
			t.Fatal(err)
		}
		if err := s.AddPort(0, 77, "rt0.77", address); err == nil {
			t.Fatal("the same port twice: no error")
		}
		ports := s.Devices()[0].Ports()
		if last := ports[len(ports)-1]; last.Name() != "rt0.77" || last.VID() != 77 || last.Address() != address || last.Oob() {
			t.Errorf("the last port is %s, VLAN ID %d, %v", last.Name(), last.VID(), last.Address())
		}
		if !s.Learn(0, 77, [4]byte{10, 0, 77, 9}, peerMAC) {
			t.Error("Learn on the port = false")
		}
		l.inject(request)
		wait(t, "echo reply", func() bool { return l.count(isPong) == i+1 })
		if got := s.Traffic(0, 77); got.RxPackets != 1 {
			t.Errorf("traffic of the port: %+v, want a packet received", got)
		}
		// A frame that says it is from the port's address is not delivered.
		l.inject(frame(gwMAC, peerMAC, 0, 0x800, ipv4(1, "10.0.77.1", "10.0.0.1", ping("x"))))
		waitCounter(t, s, "own_source", uint64(i+1))
		if err := s.RemovePort(0, 77); err != nil {
			t.Fatal(err)
		}
		if err := s.RemovePort(0, 77); err == nil {
			t.Fatal("a port that has gone: no error")
		}
		l.inject(request)
		waitCounter(t, s, "unknown_vlan", uint64(i+2))
	}
	if err := s.AddPort(1, 77, "x", address); err == nil {
		t.Error("on a device that there is not: no error")
	}
	if got := len(s.Netstack().NICInfo()); got != len(s.Devices()[0].Ports()) {
		t.Errorf("%d interfaces for %d ports", got, len(s.Devices()[0].Ports()))
	}
	for _, r := range s.Netstack().GetRouteTable() {
		if r.Destination.String() == "10.0.77.0/24" {
			t.Errorf("a route of the port that has gone: %v", r)
		}
	}
	balanced(t, s)
}

// Ports come and go while frames come in for them.
func TestAddPortUnderLoad(t *testing.T) {
	s, l := alone(t)
	var sending sync.WaitGroup
	stop := make(chan struct{})
	sending.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				l.inject(frame(gwMAC, peerMAC, 77, 0x800, ipv4(1, "10.0.77.9", "10.0.77.1", ping("x"))))
				l.inject(frame(everybody, peerMAC, 77, 0x806, arpPacket(1, peerMAC, "10.0.77.9", gwMAC, "10.0.77.1")))
				l.inject(frame(gwMAC, peerMAC, 0, 0x800, ipv4(17, "10.0.0.9", "10.0.0.1", udp(5000, 7777, "hello"))))
			}
		}
	})
	for range 100 {
		if err := s.AddPort(0, 77, "rt0.77", netip.MustParsePrefix("10.0.77.1/24")); err != nil {
			t.Fatal(err)
		}
		if err := s.RemovePort(0, 77); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	sending.Wait()
	if got := len(s.Netstack().NICInfo()); got != len(s.Devices()[0].Ports()) {
		t.Errorf("%d interfaces for %d ports", got, len(s.Devices()[0].Ports()))
	}
}
