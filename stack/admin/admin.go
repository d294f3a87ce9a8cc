// Package admin switches oob ports, diversion and VLAN rules while traffic flows, and tells how they are: what `evl net` does,
// as functions (ports.go, make.go, neighbours.go, filter.go, explain.go and explain_port.go, query.go), as commands of the console (command.go and the others of that
// name) and as JSON over HTTP (http.go).
//
// It keeps a model of the ports that the configuration names, each in-band only or an oob port, and of those that were made since, which are
// oob ports as long as they are there. A change builds the companion
// core's next configuration from the model and publishes it: each frame meets the old or the new one, whole, so that none is
// lost and none goes to both stages. What a port needs is there before the core knows it, and goes after the core has
// forgotten it. When a step fails, those before it are taken back.
//
// A device is diverted while anything needs it to be: each of its oob ports, its VLAN rule, its filter program, a forwarding rule that
// names it, somebody who asked for it (Divert).
//
// Stage: in-band. Follows: the verbs and sizes of `evl net` (EVL, libevl). Does not support: ports that are made at run time and are
// in-band only.
package admin

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"

	"mortise/stack/capture"
	"mortise/stack/core"
	"mortise/stack/filter"
	"mortise/stack/filter/vids"
	"mortise/stack/gateway"
	"mortise/stack/neigh"
	"mortise/stack/oob"
	"mortise/stack/socket"
)

// What can be wrong with a request, wrapped with its values.
var (
	ErrUnknown = errors.New("no such port or device")
	ErrInvalid = errors.New("invalid")
	ErrDown    = errors.New("the device's link is down")
	ErrNotOob  = errors.New("not an oob port")
	ErrRefused = errors.New("refused")
	ErrTimeout = errors.New("no answer")
)

// Hooks are what this package needs of the image.
type Hooks struct {
	// Adopt is divert.Adopt: it publishes the companion core's device, in one store.
	Adopt func(dev uint32, d core.Device)
	// Divert gives a device to the oob stage or to in-band. While that stage is down, Diverted tells what is to be once it serves.
	Divert func(dev uint32, on bool) error
	// Answers tells the in-band stack that the oob stage answers for a port's address, or no longer. It may be nil.
	Answers func(dev uint32, vid uint16, on bool)
	// AddPort makes a port of in-band, and RemovePort takes it away, when one is made at run time. They may be nil.
	AddPort    func(dev uint32, vid uint16, name string, address netip.Prefix) error
	RemovePort func(dev uint32, vid uint16)
	// Solicit asks who has addr, until somebody answers or ctx ends.
	Solicit func(ctx context.Context, dev uint32, vid uint16, addr netip.Addr) ([6]byte, error)
	// Ask solicits a peer in the background, for as long as it takes. It may be nil.
	Ask func(p Peer)
	// Forget makes in-band ask anew for a port's neighbour at addr; for all of them if addr is the zero value. It may be nil.
	Forget func(dev uint32, vid uint16, addr netip.Addr)
	// Inband returns in-band's own packets on a port. It may be nil.
	Inband func(dev uint32, vid uint16) Traffic
	// Traffic returns what a device has carried beside its oob ports' traffic. It may be nil.
	Traffic func(dev uint32) DeviceTraffic
	// File returns the content of a filter program that is named only. It may be nil.
	File func(name string) ([]byte, error)
	// Promiscuous lets a device's frames to other stations in, or no longer. It may be nil.
	Promiscuous func(dev uint32, on bool) error
	// TicksPerSecond is the rate of the stage's counter; 0: 1 MHz.
	TicksPerSecond uint32
	// Captures keeps captures of frames. nil: there are none.
	Captures *capture.Set
	// Tap shows what in-band sends on a port, and with received what comes for it, until remove is called. It may be nil.
	Tap func(dev uint32, vid uint16, received bool, f func(b []byte)) (remove func(), err error)
	// Times says what the times of a device's frames are noted by: "off", "software" or "hardware". It may be nil.
	Times func(dev uint32) string
	// Counters returns what the driver and the crossing count for a device. It may be nil.
	Counters func(dev uint32) []Counter
}

// port is a port of the configuration, or one made at run time.
type port struct {
	name    string
	loop    bool // the loopback port: of no device
	made    bool // at run time
	dev     uint32
	mac     [6]byte // its device's
	vid     uint16
	address netip.Prefix
	gateway netip.Addr
	rules   bool
	udp     filter.PortSet
	accepts string
	pool    int // buffers, when nobody says another number
	buffer  int // bytes of the largest datagram, the same
	most    int // the limit there is now; 0: none

	place   int            // in the companion core's table; none: it has never had one
	base    socket.Traffic // of the place when the port got it
	before  Load           // of places that the port has had
	enabled atomic.Bool
	live    atomic.Bool // enabled, and its link is up
	static  map[netip.Addr][6]byte
	solicit []netip.Addr // by the configuration, when the link comes
	known   []netip.Addr // who was known when the link went

	full      atomic.Bool // the front cache had no place for a neighbour once
	conflicts atomic.Uint64
	claims    claims
}

// none is the place of a port that has never been an oob port.
const none = -1

// device is a device of the configuration.
type device struct {
	name  string
	mac   [6]byte
	ports []*port
	vlans filter.VIDSet
	held  bool // diverted by request
	// What judges its frames ahead of its ports.
	filter  *gateway.Filter // nil: no program
	forward []gateway.Forward
	ruling  ruling
	rules   bool // a forwarding rule names it
	stock   bool // its driver is a stock one
	up      bool // its link
	owner   [oob.MaxPorts]*port

	diverted atomic.Bool // or is to be, once the oob stage serves
}

// Admin is the model of the ports of a gateway.
type Admin struct {
	hooks Hooks

	mu      sync.Mutex
	devices []*device
	loop    *port
	all     atomic.Pointer[[]*port] // replaced whole
	current *oob.Config             // what the companion core goes by
	spare   *oob.Config
	via     []neigh.Table // routes through a gateway

	tallied uint32 // what Tally looks at next
}

// lastRule is the ID of the newest forwarding rule: none is another's, in whichever model, for the companion core knows them by it.
var lastRule atomic.Uint32

// New returns the model of what the configuration says. Nothing is set up before Start.
func New(t *gateway.Tables, hooks Hooks) (*Admin, error) {
	if len(t.Devices) > oob.Devices {
		return nil, fmt.Errorf("%d devices, want at most %d", len(t.Devices), oob.Devices)
	}
	a := &Admin{hooks: hooks, current: new(oob.Config), spare: new(oob.Config)}
	for i := range t.Devices {
		c := &t.Devices[i]
		d := &device{name: c.Name, mac: c.MAC, vlans: c.OobVLANs, held: c.Held, rules: c.Forwards, stock: c.Stock, up: true,
			filter: c.Filter, forward: c.Forward}
		for j := range c.Ports {
			p := newPort(uint32(i), &c.Ports[j])
			p.mac = c.MAC
			if c.Ports[j].Oob {
				if err := d.settle(p); err != nil {
					return nil, err
				}
				p.enabled.Store(true)
				p.live.Store(true)
			}
			d.ports = append(d.ports, p)
		}
		d.diverted.Store(len(d.references()) != 0)
		a.devices = append(a.devices, d)
	}
	a.loop = newLoopback(t.Loopback)
	a.list()
	return a, nil
}

// list notes which ports there are: each device's, in the order of the configuration, behind them those made since; the loopback port last. Sockets
// may be bound to their addresses.
func (a *Admin) list() {
	var all []*port
	for _, d := range a.devices {
		all = append(all, d.ports...)
	}
	all = append(all, a.loop)
	a.all.Store(&all)
	addresses := map[neigh.Port]netip.Prefix{}
	for _, p := range all {
		addresses[p.id()] = p.address
	}
	socket.SetAddresses(addresses)
}

// ports returns all ports.
func (a *Admin) ports() []*port { return *a.all.Load() }

func newPort(dev uint32, c *gateway.PortTable) *port {
	addr := netip.AddrFrom4([4]byte{byte(c.Addr >> 24), byte(c.Addr >> 16), byte(c.Addr >> 8), byte(c.Addr)})
	p := &port{
		name: c.Name, dev: dev, vid: c.VID, address: netip.PrefixFrom(addr, int(c.Prefix)), gateway: c.Gateway,
		pool: c.Pool, buffer: c.Buffer, place: none, static: map[netip.Addr][6]byte{}, solicit: c.Solicit,
	}
	if p.pool == 0 {
		p.pool = socket.DefaultPool
	}
	p.rule(c)
	for _, n := range c.Neighbours {
		p.static[n.Address] = n.MAC
	}
	return p
}

// newLoopback returns the loopback port: RFC 1122 has its network.
func newLoopback(c gateway.Loopback) *port {
	p := &port{
		name: gateway.LoopbackName, loop: true, address: netip.PrefixFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 8),
		pool: c.Pool, static: map[netip.Addr][6]byte{}, accepts: "what sockets of this machine send to 127.0.0.0/8 and to oob ports' own addresses",
	}
	if p.pool == 0 {
		p.pool = socket.DefaultPool
	}
	p.enabled.Store(c.On)
	p.live.Store(c.On)
	return p
}

// rule takes the port's accept rules over from the configuration.
func (p *port) rule(c *gateway.PortTable) {
	p.rules, p.udp, p.accepts = c.Oob && !c.AllIPv4, filter.PortSet{}, "all IPv4"
	if p.rules {
		p.accepts = "UDP ports"
	}
	for i, u := range c.UDP {
		p.udp.Add(u.First, u.Last)
		sep := ", "
		if i == 0 {
			sep = " "
		}
		p.accepts += fmt.Sprintf("%s%d", sep, u.First)
		if u.Last != u.First {
			p.accepts += fmt.Sprintf("-%d", u.Last)
		}
	}
}

// Reload takes the accept rules, VLAN rules, filter programs and forwarding rules over from another configuration, which has the same devices and ports.
// What has been switched since the start stays, ports that were made with it, but for the VLAN rules, programs and forwarding rules. Nothing changes when it
// returns an error.
func (a *Admin) Reload(t *gateway.Tables) (err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(t.Devices) != len(a.devices) {
		return fmt.Errorf("%w: %d devices, want %d", ErrRefused, len(t.Devices), len(a.devices))
	}
	var undo steps
	defer undo.onError(&err)
	undo.add(func() {
		for i := range a.devices {
			_ = a.divert(uint32(i))
		}
	})
	undo.add(func() { _ = a.publish() })
	var lists [][]gateway.Forward
	for i, d := range a.devices {
		c := &t.Devices[i]
		ports := d.named()
		if len(c.Ports) != len(ports) {
			return fmt.Errorf("%w: %s has %d ports, want %d", ErrRefused, d.name, len(c.Ports), len(ports))
		}
		for _, p := range d.ports[len(ports):] {
			if p.vid != 0 && c.OobVLANs.Has(p.vid) {
				return fmt.Errorf("%w: the VLAN rule of %s has VLAN %d, which has a port, %s; disable that first", ErrRefused, d.name, p.vid, p.name)
			}
		}
		vlans, program := d.vlans, d.filter
		undo.add(func() { d.vlans, d.filter = vlans, program })
		d.vlans, d.filter = c.OobVLANs, sameFilter(d.filter, c.Filter)
		lists = append(lists, c.Forward)
		for j, p := range ports {
			rules, udp, accepts := p.rules, p.udp, p.accepts
			undo.add(func() { p.rules, p.udp, p.accepts = rules, udp, accepts })
			p.rule(&c.Ports[j])
		}
	}
	if err := a.publish(); err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	for i := range a.devices {
		if err := a.divert(uint32(i)); err != nil {
			return err
		}
	}
	return a.setForward(lists)
}

// Start sets up the oob ports that the configuration names, all of them or none, and tells the companion core. The devices are
// the image's to divert: see Diverted. The sockets have their memory by then (socket.Setup).
func (a *Admin) Start() (err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var undo steps
	defer undo.onError(&err)
	for _, p := range a.ports() {
		if !p.enabled.Load() {
			continue
		}
		if err := p.open(p.pool, p.buffer); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		undo.add(func() { p.close() })
	}
	if err := a.setForward(a.forwards()); err != nil {
		return err
	}
	if err := a.route(); err != nil {
		return err
	}
	for _, p := range a.ports() {
		if p.enabled.Load() {
			p.pin()
		}
	}
	return nil
}

// publish makes the model what the companion core goes by.
func (a *Admin) publish() error {
	next := a.spare
	*next = *a.current
	next.Own = [oob.MaxOwn][4]byte{}
	own := 0
	for i, d := range a.devices {
		c := &next.Device[i]
		c.MAC, c.VLANs, c.Ports, c.Program = d.mac, d.vlans, [oob.MaxPorts]oob.PortConfig{}, nil
		if d.filter != nil {
			c.Program = &d.filter.Program.Program
		}
		c.Rules = d.ruling.compiled
		for _, p := range d.ports {
			if p.enabled.Load() {
				c.Ports[p.place] = oob.PortConfig{
					VID: p.vid, Addr: p.address.Addr().As4(), Prefix: uint8(p.address.Bits()), Rules: p.rules, UDP: p.udp,
				}
				continue
			}
			if own == len(next.Own) {
				return fmt.Errorf("%w: more in-band ports than %d", ErrRefused, len(next.Own))
			}
			next.Own[own] = p.address.Addr().As4()
			own++
		}
	}
	if err := oob.Configure(next, a.hooks.Adopt); err != nil {
		return err
	}
	a.current, a.spare = next, a.current
	return nil
}

// route makes the networks of the oob ports routes of the oob stage, and what is reached through a gateway.
func (a *Admin) route() error {
	var list []neigh.Table
	for _, p := range a.ports() {
		if p.enabled.Load() {
			list = append(list, neigh.Table{Prefix: p.address.Masked(), Port: p.id()})
		}
	}
	for _, t := range a.via {
		if p := a.byID(t.Port); p != nil && p.enabled.Load() {
			list = append(list, t)
		}
	}
	return neigh.SetRoutes(list)
}

// id returns the port's name in the oob stage.
func (p *port) id() neigh.Port {
	if p.loop {
		return neigh.Loopback
	}
	return neigh.PortOf(p.dev, uint32(p.vid))
}

// index returns the port's number in package socket.
func (p *port) index() uint32 {
	if p.loop {
		return socket.Loopback
	}
	return oob.PortIndex(p.dev, uint32(p.place))
}

// byID returns the port of a name in the oob stage, nil if there is none.
func (a *Admin) byID(id neigh.Port) *port {
	for _, p := range a.ports() {
		if p.id() == id {
			return p
		}
	}
	return nil
}

// port returns the port of a name.
func (a *Admin) port(name string) (*port, error) {
	var names string
	for _, p := range a.ports() {
		if p.name == name {
			return p, nil
		}
		names += " " + p.name
	}
	return nil, fmt.Errorf("port %q: %w, want one of%s; a new one needs an address", name, ErrUnknown, names)
}

// device returns the device of a name.
func (a *Admin) device(name string) (uint32, *device, error) {
	var names string
	for i, d := range a.devices {
		if d.name == name {
			return uint32(i), d, nil
		}
		names += " " + d.name
	}
	return 0, nil, fmt.Errorf("device %q: %w, want one of%s", name, ErrUnknown, names)
}

// Diverted reports whether a device is the oob stage's, or is to be once that stage serves. It takes no lock.
func (a *Admin) Diverted(dev int) bool { return dev < len(a.devices) && a.devices[dev].diverted.Load() }

// references names what a device is diverted for.
func (d *device) references() (names []string) {
	for _, p := range d.ports {
		if p.enabled.Load() {
			names = append(names, p.name)
		}
	}
	if d.vlans != (filter.VIDSet{}) {
		names = append(names, "VLANs "+vids.Format(&d.vlans))
	}
	if d.filter != nil {
		names = append(names, "filter "+d.filter.File)
	}
	if d.rules {
		names = append(names, "forwarding rules")
	}
	if d.held {
		names = append(names, "request")
	}
	return names
}

// steps takes back what has been done when a later step fails.
type steps []func()

func (s *steps) add(f func()) { *s = append(*s, f) }

func (s *steps) onError(err *error) {
	if *err == nil {
		return
	}
	for i := len(*s) - 1; i >= 0; i-- {
		(*s)[i]()
	}
}
