package inband

import (
	"encoding/binary"
	"runtime"
	"sync"
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

const (
	// batch is how many frames a device delivers before other goroutines get the processor: a choice; at 1 Gbit/s and
	// 1500 bytes, 0.4 ms of traffic.
	batch = 32

	etherLen = 14 // bytes: destination, source, type
	tagLen   = 4  // bytes: TPID, TCI

	ctag    = 0x8100 // IEEE Std 802.1Q-2018, table 9-1
	stag    = 0x88a8
	vidMask = 0x0fff // of the TCI
)

// Device is a link with the ports on it: it takes frames from the link and gives them to the port they belong to.
type Device struct {
	name string
	link Link
	mac  tcpip.LinkAddress

	set atomic.Pointer[portSet] // replaced whole when a port comes or goes

	sending sync.Mutex
	out     *stack.PacketBuffer // the packet that fill writes
	fillOut func(b []byte)      // fill, made a func value once

	addresses *atomic.Pointer[addresses] // the stack's
	taps      atomic.Pointer[[]*tap]     // nil: none; replaced whole

	count counters
}

// portSet is the ports of a device.
type portSet struct {
	untagged *Port
	vlans    map[uint16]*Port
	list     []*Port // in the order of the configuration; behind them those added since
}

func newDevice(name string, link Link) *Device {
	mac := link.MAC()
	d := &Device{name: name, link: link, mac: tcpip.LinkAddress(mac[:])}
	d.set.Store(&portSet{})
	d.fillOut = d.fill
	return d
}

// Name returns the device's name.
func (d *Device) Name() string { return d.name }

// Link returns the link that the device receives from.
func (d *Device) Link() Link { return d.link }

// Ports returns the device's ports in the order of the configuration, behind them those that were added since. The caller changes
// nothing in it.
func (d *Device) Ports() []*Port { return d.set.Load().list }

// setPorts makes list the device's ports.
func (d *Device) setPorts(list []*Port) {
	set := &portSet{vlans: map[uint16]*Port{}, list: list}
	for _, p := range list {
		if p.vid == 0 {
			set.untagged = p
		} else {
			set.vlans[p.vid] = p
		}
	}
	d.set.Store(set)
}

func (d *Device) port(vid uint16) *Port {
	set := d.set.Load()
	if vid == 0 {
		return set.untagged
	}
	return set.vlans[vid]
}

// receive delivers frames until stop closes.
func (d *Device) receive(stop <-chan struct{}) {
	deliver := d.deliver // one func value for all calls
	for {
		select {
		case <-stop:
			return
		case <-d.link.Notify():
		}
		for d.link.Receive(batch, deliver) == batch {
			select {
			case <-stop:
				return
			default:
				runtime.Gosched()
			}
		}
	}
}

// deliver takes one frame to the stack, or counts why not. b belongs to the caller.
func (d *Device) deliver(b []byte) {
	d.count.received.Add(1)
	if taps := d.taps.Load(); taps != nil {
		show(*taps, b, true)
	}
	if len(b) < etherLen {
		d.count.shortFrame.Add(1)
		return
	}
	kind := tcpip.PacketHost
	switch {
	case string(b[:6]) == string(d.mac):
	case string(b[:6]) == string(header.EthernetBroadcastAddress):
		kind = tcpip.PacketBroadcast
	case b[0]&1 != 0:
		kind = tcpip.PacketMulticast
	default:
		d.count.foreignMAC.Add(1)
		return
	}
	p, payload, proto := d.classify(b)
	if p == nil {
		return
	}
	switch {
	case proto != header.IPv4ProtocolNumber && proto != header.ARPProtocolNumber:
		d.count.unknownEthertype.Add(1)
	case p.holdBack(proto, payload):
	case proto == header.IPv4ProtocolNumber && d.fromUs(payload):
		d.count.ownSource.Add(1)
	default:
		d.count.delivered.Add(1)
		p.deliver(proto, kind, payload)
	}
}

// fromUs reports whether an IPv4 packet says that it comes from one of our own addresses.
func (d *Device) fromUs(ip []byte) bool {
	if len(ip) < header.IPv4MinimumSize {
		return false // gVisor counts what is wrong with it
	}
	source := binary.NativeEndian.Uint32(ip[12:])
	for _, a := range d.addresses.Load().words {
		if a == source {
			return true
		}
	}
	return false
}

// classify returns the port that frame b belongs to and what is behind its Ethernet header and tag, or counts why there
// is no such port.
func (d *Device) classify(b []byte) (p *Port, payload []byte, proto tcpip.NetworkProtocolNumber) {
	etherType := binary.BigEndian.Uint16(b[12:])
	payload = b[etherLen:]
	vid := uint16(0)
	switch etherType {
	case ctag:
		if len(b) < etherLen+tagLen {
			d.count.malformedTag.Add(1)
			return nil, nil, 0
		}
		vid = binary.BigEndian.Uint16(b[14:]) & vidMask // 0: a priority tag, the port is the untagged one
		etherType = binary.BigEndian.Uint16(b[16:])
		payload = b[etherLen+tagLen:]
		if vid == vidMask {
			d.count.malformedTag.Add(1)
			return nil, nil, 0
		}
		if etherType == ctag || etherType == stag {
			d.count.nestedTag.Add(1)
			return nil, nil, 0
		}
	case stag:
		d.count.nestedTag.Add(1)
		return nil, nil, 0
	}
	if p = d.port(vid); p == nil {
		if vid == 0 {
			d.count.noUntaggedPort.Add(1)
		} else {
			d.count.unknownVLAN.Add(1)
		}
	}
	return p, payload, tcpip.NetworkProtocolNumber(etherType)
}

// send queues pkt, whose link header is in place, on the link and reports whether there was room.
func (d *Device) send(pkt *stack.PacketBuffer) bool {
	n := pkt.Size()
	d.sending.Lock()
	d.out = pkt
	ok := d.link.Send(n, d.fillOut)
	d.out = nil
	d.sending.Unlock()
	if ok {
		d.count.sent.Add(1)
	} else {
		d.count.sendNoSlot.Add(1)
	}
	return ok
}

// fill writes the packet being sent to b, which is as long as the packet.
func (d *Device) fill(b []byte) {
	views, skip := d.out.AsViewList()
	n := 0
	for v := views.Front(); v != nil; v = v.Next() {
		part := v.AsSlice()
		if skip >= len(part) {
			skip -= len(part)
			continue
		}
		n += copy(b[n:], part[skip:])
		skip = 0
	}
	if taps := d.taps.Load(); taps != nil {
		show(*taps, b, false)
	}
}
