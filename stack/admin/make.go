package admin

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"mortise/stack/filter/vids"
	"mortise/stack/gateway"
	"mortise/stack/socket"
)

// NewPort describes an oob port that the configuration does not name.
type NewPort struct {
	Name    string       // "rt0": the device's untagged frames; "rt0.77": its VLAN 77
	Address netip.Prefix // the port's, and the length of its network's prefix
	Pool    int          // buffers; 0: 2048
	Buffer  int          // bytes of the largest datagram; 0: no limit beside the stack's
}

// Make makes an oob port at run time, whose IPv4 is all the oob stage's: in-band gets an interface for what it leaves, then the port is
// enabled as any other. It is there until Disable, or the next start. A device has at most oob.MaxPorts oob ports, the configuration's
// with them. A port that is there as it is asked for is no error.
func (a *Admin) Make(n NewPort) (err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	dev, vid, err := a.parseName(n.Name)
	if err != nil {
		return err
	}
	d := a.devices[dev]
	p := &port{
		name: n.Name, made: true, dev: dev, mac: d.mac, vid: vid, address: n.Address, accepts: "all IPv4",
		pool: socket.DefaultPool, place: none, static: map[netip.Addr][6]byte{},
	}
	pool, buffer, err := p.sizes(n.Pool, n.Buffer)
	if err != nil {
		return err
	}
	if there, err := a.mayMake(d, p); err != nil {
		return err
	} else if there != nil {
		return there.hasSizes(n.Pool, n.Buffer)
	}
	var undo steps
	defer undo.onError(&err)
	if a.hooks.AddPort != nil {
		if err := a.hooks.AddPort(dev, vid, n.Name, n.Address); err != nil {
			return fmt.Errorf("%s: %w: %w", n.Name, ErrRefused, err)
		}
		undo.add(func() { a.hooks.RemovePort(dev, vid) })
	}
	a.add(p)
	undo.add(func() { a.drop(p) })
	return a.turnOn(p, pool, buffer)
}

// parseName reads the name of a port that there may be: a device's, or with a VLAN behind it.
func (a *Admin) parseName(name string) (dev uint32, vid uint16, err error) {
	base, text, tagged := strings.Cut(name, ".")
	dev, _, err = a.device(base)
	if err != nil || !tagged {
		return dev, 0, err
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || strconv.FormatUint(n, 10) != text {
		return 0, 0, fmt.Errorf("port %q: %w: want the name of a device, or with a VLAN ID behind it, as %s.77", name, ErrInvalid, base)
	}
	if _, err := vids.Parse(text); err != nil {
		return 0, 0, fmt.Errorf("port %q: %w: %w", name, ErrInvalid, err)
	}
	return dev, uint16(n), nil
}

// mayMake says why p cannot be made on d, as far as names and addresses go, or returns the one that is there.
func (a *Admin) mayMake(d *device, p *port) (there *port, err error) {
	if why := gateway.CheckAddress(p.address); why != "" {
		return nil, fmt.Errorf("%s: address %v: %w: %s", p.name, p.address, ErrInvalid, why)
	}
	if p.address.Bits() < 8 {
		return nil, fmt.Errorf("%s: address %v: %w: want a prefix of 8 to 32 bits", p.name, p.address, ErrInvalid)
	}
	for _, q := range d.ports {
		switch {
		case q.vid != p.vid:
		case q.made && q.address == p.address:
			return q, nil
		case q.made:
			return nil, fmt.Errorf("%s: %w: it is there with the address %v; disable it first", p.name, ErrRefused, q.address)
		default:
			return nil, fmt.Errorf("%s: %w: the configuration has it, as %s with the address %v; enable that, without an address",
				p.name, ErrRefused, q.name, q.address)
		}
	}
	for _, q := range a.ports() {
		if !q.loop && q.address.Overlaps(p.address) {
			return nil, fmt.Errorf("%s: address %v: %w: its network overlaps that of %s, %v", p.name, p.address, ErrRefused, q.name, q.address.Masked())
		}
	}
	return nil, nil
}

// named returns the device's ports of the configuration; those made since are behind them.
func (d *device) named() []*port {
	n := slices.IndexFunc(d.ports, func(p *port) bool { return p.made })
	if n < 0 {
		return d.ports
	}
	return d.ports[:n]
}

// add puts a made port on its device.
func (a *Admin) add(p *port) {
	d := a.devices[p.dev]
	if !slices.Contains(d.ports, p) {
		d.ports = append(slices.Clone(d.ports), p)
	}
	a.list()
}

// drop takes a made port off its device. Its place is another's when nothing depends on it any more: see settle.
func (a *Admin) drop(p *port) {
	d := a.devices[p.dev]
	d.ports = slices.DeleteFunc(slices.Clone(d.ports), func(q *port) bool { return q == p })
	a.list()
}
