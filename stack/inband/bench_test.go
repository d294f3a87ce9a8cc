package inband

import (
	"encoding/hex"
	"net/netip"
	"testing"

	"gvisor.dev/gvisor/pkg/tcpip/header"

	"mortise/stack/gateway"
)

// quiet is a link that nothing comes from and everything can be sent to.
type quiet struct{ slot [2048]byte }

func (l *quiet) Name() string                         { return "rt0" }
func (l *quiet) MAC() [6]byte                         { return [6]byte{2, 0, 0, 0, 0, 1} }
func (l *quiet) Receive(int, func([]byte)) int        { return 0 }
func (l *quiet) Send(n int, fill func(b []byte)) bool { fill(l.slot[:n]); return true }
func (l *quiet) Notify() <-chan struct{}              { return nil }
func (l *quiet) OobAnswers() bool                     { return true }
func (l *quiet) Up() bool                             { return true }

// A UDP echo of 64 bytes, from the slot to the slot, without the goroutine switch that starts it.
func BenchmarkEcho(b *testing.B) {
	l := &quiet{}
	s, err := New(&gateway.Config{Echo: gateway.Echo{Port: 7777}, Devices: []gateway.Device{{
		Name: "rt0", Ports: []gateway.Port{{Address: netip.MustParsePrefix("10.0.0.1/24")}},
	}}}, l)
	if err != nil {
		b.Fatal(err)
	}
	s.Learn(0, 0, [4]byte{10, 0, 0, 9}, [6]byte{2, 0, 0, 0, 0, 9})
	request, err := hex.DecodeString("020000000001" + "020000000009" + "0800" +
		"4500005c0000400040110000" + "0a000009" + "0a000001" + "13881e61" + "00480000")
	if err != nil {
		b.Fatal(err)
	}
	ip := header.IPv4(request[etherLen:])
	ip.SetChecksum(^ip.CalculateChecksum())
	request = append(request, make([]byte, 64)...)
	d := s.devices[0]
	b.ReportAllocs()
	for b.Loop() {
		d.deliver(request)
	}
	if got, want := d.count.echoed.Load(), d.count.received.Load(); got != want {
		b.Errorf("%d of %d requests answered", got, want)
	}
}
