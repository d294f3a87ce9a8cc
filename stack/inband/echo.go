package inband

import (
	"bytes"
	"errors"
	"slices"
	"sync"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// talkative are the UDP source ports that no echo is sent to: services that answer any datagram, so that one forged
// request would go back and forth for ever (CERT CA-1996-01). The oob stage has the same list.
var talkative = [...]uint16{0, 7, 9, 11, 13, 17, 18, 19, 37, 53, 69, 111, 123}

// echoServer sends UDP datagrams back to where they came from (RFC 862). It has no goroutine: gVisor notifies it from
// the receiving goroutine of the device, and it answers there.
type echoServer struct {
	stack *Stack
	ep    tcpip.Endpoint
	queue waiter.Queue
	entry waiter.Entry
	local uint16
	oob   *Port // the oob echo service of this port is ours while the oob stage does not answer; nil: ours always

	mu      sync.Mutex // several devices may deliver at once
	buf     [65536]byte
	request tcpip.SliceWriter // buf, being filled
	reply   bytes.Reader      // of buf
	from    tcpip.ReadResult
}

// serveEcho answers at local, until its endpoint is closed. With oob, it does so only while the oob stage does not on that port.
func (s *Stack) serveEcho(local tcpip.FullAddress, oob *Port) (*echoServer, error) {
	e := &echoServer{stack: s, local: local.Port, oob: oob}
	ep, err := s.net.NewEndpoint(udp.ProtocolNumber, ipv4.ProtocolNumber, &e.queue)
	if err != nil {
		return nil, errors.New(err.String())
	}
	e.ep = ep
	ep.SocketOptions().SetReceivePacketInfo(true)
	e.entry.Init(e, waiter.ReadableEvents)
	e.queue.EventRegister(&e.entry)
	if err := ep.Bind(local); err != nil {
		ep.Close()
		return nil, errors.New(err.String())
	}
	return e, nil
}

// NotifyEvent answers what has come. The queue is locked for reading meanwhile: nobody registers with it after serveEcho.
func (e *echoServer) NotifyEvent(waiter.EventMask) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for {
		e.request = e.buf[:]
		r, err := e.ep.Read(&e.request, tcpip.ReadOptions{NeedRemoteAddr: true})
		if err != nil {
			return
		}
		e.from = r
		e.answer()
	}
}

// answer sends the datagram in buf back.
func (e *echoServer) answer() {
	r := &e.from
	d := e.stack.deviceOf(r.RemoteAddr.NIC)
	if d == nil {
		return // from this stack itself
	}
	if e.refuses(d, r) {
		d.count.echoRefused.Add(1)
		return
	}
	e.reply.Reset(e.buf[:r.Count])
	if _, err := e.ep.Write(&e.reply, tcpip.WriteOptions{To: &r.RemoteAddr}); err != nil {
		d.count.echoUnsent.Add(1)
		return
	}
	d.count.echoed.Add(1)
}

// refuses reports whether a request must not be answered: to a broadcast or multicast address, from one of our own, from
// a port where a service would answer the answer, or now the oob stage's to answer.
func (e *echoServer) refuses(d *Device, r *tcpip.ReadResult) bool {
	to, from := r.ControlMessages.PacketInfo.DestinationAddr, r.RemoteAddr
	if from.Port == e.local || from.Port == e.stack.echoPort || slices.Contains(talkative[:], from.Port) {
		return true
	}
	if e.oob != nil && (d != e.oob.device || e.oob.Oob() && d.link.OobAnswers()) {
		return true
	}
	return !e.stack.owns(to) || e.stack.owns(from.Addr) || header.IsV4MulticastAddress(from.Addr)
}
