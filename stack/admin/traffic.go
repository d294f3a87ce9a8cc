package admin

import (
	"fmt"

	"mortise/stack/frame"
	"mortise/stack/oob"
	"mortise/stack/socket"
)

// Traffic is packets and their bytes.
type Traffic struct {
	RxPackets uint64 `json:"rx_packets"`
	RxBytes   uint64 `json:"rx_bytes"`
	TxPackets uint64 `json:"tx_packets"`
	TxBytes   uint64 `json:"tx_bytes"`
}

// Load is traffic, and the frames that were dropped.
type Load struct {
	Traffic
	Dropped uint64 `json:"dropped"`
}

// DeviceTraffic is what a device has carried beside its oob ports' traffic.
type DeviceTraffic struct {
	Inband    Traffic // for in-band and from it
	Forwarded Traffic // to and from other devices
	Dropped   uint64  // of all that the device has received
}

func (t Traffic) String() string {
	return fmt.Sprintf("received %d packets, %d bytes; sent %d packets, %d bytes", t.RxPackets, t.RxBytes, t.TxPackets, t.TxBytes)
}

func (l Load) String() string { return fmt.Sprintf("%v; dropped %d", l.Traffic, l.Dropped) }

// add adds what b has more than base.
func (l *Load) add(b, base socket.Traffic) {
	l.Traffic.add(Traffic{
		b.RxPackets - base.RxPackets, b.RxBytes - base.RxBytes, b.TxPackets - base.TxPackets, b.TxBytes - base.TxBytes,
	})
	l.Dropped += b.Dropped - base.Dropped
}

func (t *Traffic) add(b Traffic) {
	t.RxPackets += b.RxPackets
	t.RxBytes += b.RxBytes
	t.TxPackets += b.TxPackets
	t.TxBytes += b.TxBytes
}

// load returns what the port has carried: with the place it has now, and with those it had before.
func (p *port) load() Load {
	l := p.before
	if p.place != none || p.loop {
		l.add(socket.TrafficOf(p.index()), p.base)
	}
	return l
}

// moveIn makes the traffic of p's place p's from now on.
func (p *port) moveIn() { p.base = socket.TrafficOf(p.index()) }

// moveOut is moveIn's inverse: another port gets the place.
func (p *port) moveOut() { p.before = p.load() }

// load returns what the device has carried in all. What oob ports were on it before counts, too.
func (a *Admin) load(dev uint32) (l Load) {
	for i := range uint32(oob.MaxPorts) {
		l.add(socket.TrafficOf(oob.PortIndex(dev, i)), socket.Traffic{})
	}
	if a.hooks.Traffic != nil {
		t := a.hooks.Traffic(dev)
		l.Traffic.add(t.Inband)
		l.Traffic.add(t.Forwarded)
		l.Dropped = t.Dropped
	}
	return l
}

// Tally keeps the sums of what ports and devices have carried right, one of them a call, and those of the forwarding rules at each:
// TallyCalls calls are to be made before bytes go around 2³², one before the latencies of a rule do. It waits for no lock of this
// package. One goroutine calls it.
func (a *Admin) Tally() {
	a.tallyRules()
	const places = socket.Loopback + 1 // of ports: those of devices come first
	switch i := a.tallied; {
	case i < places:
		socket.TrafficOf(i)
	case a.hooks.Traffic != nil:
		a.hooks.Traffic(i - places)
	}
	if a.tallied++; a.tallied == places+uint32(len(a.devices)) {
		a.tallied = 0
	}
}

// TallyCalls is how many calls of Tally look at everything.
const TallyCalls = socket.Loopback + 1 + oob.Devices

// PortLoad is what a port has carried, and its pool.
type PortLoad struct {
	Name   string
	Device string // empty: the loopback port
	Stage  Load
	Inband Traffic
	Pool   *Pool // nil: none
}

// DeviceLoad returns what device number dev has carried in all: Device's Traffic alone, for who asks often.
func (a *Admin) DeviceLoad(dev uint32) Load {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.load(dev)
}

// PortLoads returns what each port has carried: Ports without the rest.
func (a *Admin) PortLoads() []PortLoad {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := make([]PortLoad, 0, len(a.ports()))
	for _, p := range a.ports() {
		l := PortLoad{Name: p.name, Stage: p.load(), Inband: a.inband(p), Pool: p.poolState()}
		if !p.loop {
			l.Device = a.devices[p.dev].name
		}
		list = append(list, l)
	}
	return list
}

// poolState returns the state of the port's pool, nil if it has none.
func (p *port) poolState() *Pool {
	if p.place == none && !p.loop {
		return nil
	}
	s := socket.PoolStats(p.index())
	if s.Size == 0 {
		return nil
	}
	return &Pool{s.Size, s.Free, s.Lowest, s.Exhausted, s.Exhausted - s.Unsent, s.Unsent, frame.SlotSize, p.most}
}

// inband returns in-band's own packets on a port.
func (a *Admin) inband(p *port) (t Traffic) {
	if a.hooks.Inband != nil && !p.loop {
		t = a.hooks.Inband(p.dev, p.vid)
	}
	return t
}
