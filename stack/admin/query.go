package admin

import (
	"fmt"
	"net/netip"

	"mortise/stack/filter/vids"
	"mortise/stack/neigh"
	"mortise/stack/oob"
	"mortise/stack/socket"
	"mortise/stack/task"
)

// Counter is a named number.
type Counter struct {
	Name  string `json:"name"`
	Value uint64 `json:"value"`
}

// Pool is the pool of an oob port.
type Pool struct {
	Size        uint32 `json:"size"` // buffers
	Free        uint32 `json:"free"`
	Lowest      uint32 `json:"lowest"`    // that were ever free
	Exhausted   uint32 `json:"exhausted"` // requests that found none: the next two
	RxExhausted uint32 `json:"rx_exhausted"`
	TxExhausted uint32 `json:"tx_exhausted"`
	BufferBytes uint32 `json:"buffer_bytes"`
	MostBytes   int    `json:"datagram_bytes,omitempty"` // the largest datagram; 0: no limit beside the stack's
}

// Port is the state of a port.
type Port struct {
	Name      string   `json:"name"`
	Device    string   `json:"device,omitempty"` // the loopback port has none
	VID       uint16   `json:"vid,omitempty"`
	Made      bool     `json:"made,omitempty"` // at run time: the configuration does not name it
	Address   string   `json:"address"`
	Oob       bool     `json:"oob"`
	RealTime  bool     `json:"real_time"`         // an oob port of a device with an oob-capable driver
	Up        bool     `json:"up"`                // an oob port whose link is up
	Accepts   string   `json:"accepts,omitempty"` // what of it is oob, in words
	Pool      *Pool    `json:"pool,omitempty"`    // of an oob port, or one that was, and whose buffers are not all back
	Sockets   []Socket `json:"sockets"`           // that are bound to it
	Neighbour int      `json:"neighbours"`
	Conflicts uint64   `json:"conflicts"`
	Stage     Load     `json:"oob_traffic"` // what the oob stage has taken, sent and dropped on it
	Inband    Traffic  `json:"inband"`      // in-band's packets on it
}

// Device is the state of a real device.
type Device struct {
	Name       string    `json:"name"`
	MAC        string    `json:"mac"`
	OobCapable bool      `json:"oob_capable"` // false: a stock driver, not real-time
	Timestamps string    `json:"timestamps"`  // what times of its frames are noted by: off, software or hardware
	Up         bool      `json:"link_up"`
	Diverted   bool      `json:"diverted"`
	For        []string  `json:"diverted_for"` // what needs it to be
	VLANs      string    `json:"vlans"`        // its VLAN rule
	Filter     string    `json:"filter"`       // its filter program
	Ports      []string  `json:"ports"`
	Traffic    Load      `json:"traffic"`  // in all: of both stages, and forwarded
	Core       []Counter `json:"core"`     // what became of its frames in the oob stage
	Counters   []Counter `json:"counters"` // the driver's, and between the stages
}

// Socket is the state of an oob socket.
type Socket struct {
	Number   uint32    `json:"number"`
	Kind     string    `json:"kind"`   // "udp" or "raw"
	Reader   string    `json:"reader"` // "task 3" or "goroutine"
	Local    string    `json:"local"`
	Peer     string    `json:"peer,omitempty"`
	Port     string    `json:"port,omitempty"`       // that it is bound to
	Times    string    `json:"timestamps,omitempty"` // that it has: as "received sent device queued"
	Queued   uint32    `json:"queued"`
	Limit    uint32    `json:"limit"`
	Counters []Counter `json:"counters"`
}

// Port returns the state of one port.
func (a *Admin) Port(name string) (Port, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	p, err := a.port(name)
	if err != nil {
		return Port{}, err
	}
	return a.describe(p, a.sockets(), neigh.List()), nil
}

// Ports returns the state of all ports, in the order of the configuration.
func (a *Admin) Ports() []Port {
	a.mu.Lock()
	defer a.mu.Unlock()
	sockets, neighbours := a.sockets(), neigh.List()
	list := make([]Port, 0, len(a.ports()))
	for _, p := range a.ports() {
		list = append(list, a.describe(p, sockets, neighbours))
	}
	return list
}

func (a *Admin) describe(p *port, sockets []Socket, neighbours []neigh.Entry) Port {
	t := Port{
		Name: p.name, VID: p.vid, Made: p.made, Address: p.address.String(),
		Oob: p.enabled.Load(), Up: p.live.Load(), Sockets: []Socket{}, Conflicts: p.conflicts.Load(),
		Stage: p.load(),
	}
	t.RealTime = t.Oob
	if !p.loop {
		t.Device = a.devices[p.dev].name
		t.RealTime = t.Oob && !a.devices[p.dev].stock
	}
	if t.Oob {
		t.Accepts = p.accepts
	}
	t.Pool, t.Inband = p.poolState(), a.inband(p)
	for _, s := range sockets {
		if s.Port == p.name {
			t.Sockets = append(t.Sockets, s)
		}
	}
	for _, n := range neighbours {
		if n.Port == p.id() {
			t.Neighbour++
		}
	}
	return t
}

// Device returns the state of one device.
func (a *Admin) Device(name string) (Device, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	dev, d, err := a.device(name)
	if err != nil {
		return Device{}, err
	}
	return a.describeDevice(dev, d), nil
}

// Devices returns the state of all devices.
func (a *Admin) Devices() []Device {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := make([]Device, 0, len(a.devices))
	for i, d := range a.devices {
		list = append(list, a.describeDevice(uint32(i), d))
	}
	return list
}

func (a *Admin) describeDevice(dev uint32, d *device) Device {
	t := Device{
		Name: d.name, MAC: macText(d.mac), OobCapable: !d.stock, Up: d.up, Diverted: d.diverted.Load(),
		For: append([]string{}, d.references()...), VLANs: vids.Format(&d.vlans), Filter: d.filterName(), Ports: []string{}, Counters: []Counter{},
		Traffic: a.load(dev),
	}
	for _, p := range d.ports {
		t.Ports = append(t.Ports, p.name)
	}
	for i, n := range oob.Snapshot(dev) {
		t.Core = append(t.Core, Counter{oob.CounterNames[i], uint64(n)})
	}
	if t.Timestamps = "off"; a.hooks.Times != nil {
		t.Timestamps = a.hooks.Times(dev)
	}
	if a.hooks.Counters != nil {
		t.Counters = append(t.Counters, a.hooks.Counters(dev)...)
	}
	return t
}

// Sockets returns the open oob sockets.
func (a *Admin) Sockets() []Socket {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.sockets()
}

func (a *Admin) sockets() []Socket {
	list := []Socket{}
	for _, s := range socket.List() {
		t := Socket{
			Number: uint32(s.Socket), Kind: "udp", Reader: fmt.Sprintf("task %d", s.Task), Local: s.Local.String(),
			Times: s.Stamps.String(), Queued: s.Queued, Limit: s.Limit,
		}
		if s.Task == task.NoTask {
			t.Reader = "goroutine"
		}
		if s.Raw {
			t.Kind, t.Local = "raw", fmt.Sprintf("%#04x", s.Local.Port())
		}
		if s.Peer != (netip.AddrPort{}) {
			t.Peer = s.Peer.String()
		}
		if s.Bound {
			t.Port = a.at(s.Port)
		}
		for i, n := range s.Counters {
			t.Counters = append(t.Counters, Counter{socket.CounterNames[i], uint64(n)})
		}
		list = append(list, t)
	}
	return list
}

// at returns the name of the port that has an index in package socket, or had it last.
func (a *Admin) at(index uint32) string {
	if index == socket.Loopback {
		return a.loop.name
	}
	for dev, d := range a.devices {
		for i, p := range d.owner {
			if p != nil && oob.PortIndex(uint32(dev), uint32(i)) == index {
				return p.name
			}
		}
	}
	return ""
}
