package gateway

import (
	"net/netip"
	"strconv"
)

const wantVID = "a VLAN ID, 1 to 4094"

func (r *reader) vlan(n *node, device string, x *across) *Port {
	vid, err := strconv.ParseUint(n.key, 10, 16)
	if err != nil || vid < 1 || vid > 4094 || strconv.FormatUint(vid, 10) != n.key {
		r.refuse(n, "expected %s", wantVID)
		vid = 0
	}
	t := r.table(n, plannedVLAN)
	if t == nil {
		return nil
	}
	p := r.port4(t, device, uint16(vid), x)
	if p == nil {
		t.missing("address", wantAddress)
	}
	if p != nil && p.Oob != nil && vid == 1 {
		r.refuse(n, "expected a VLAN ID from 2 to 4094: 1 is the default VLAN of bridges and cannot be oob")
	}
	t.done()
	return p
}

// port4 reads what devices and VLANs have in common; nil: there is no address.
func (r *reader) port4(t *table, device string, vid uint16, x *across) *Port {
	p := &Port{VID: vid}
	address, gateway, oob, name := t.get("address"), t.get("gateway"), t.get("oob"), t.get("name")
	if name != nil {
		p.Label = r.portName(name, device, vid, x)
	}
	if address == nil {
		for _, n := range []*node{name, gateway, oob} {
			if n != nil {
				r.refuse(n, "expected an address beside it: %s.address is missing", t.n.field)
			}
		}
	} else if r.address(address, p, x) && gateway != nil {
		r.gateway(gateway, p, x)
	}
	if oob != nil {
		p.Oob = r.oob(oob, p.Address)
	}
	if address == nil {
		return nil
	}
	return p
}

// portName reads the name that a port has instead of its device's, and VLAN's. No device and no other port has it.
func (r *reader) portName(n *node, device string, vid uint16, x *across) string {
	name, ok := r.text(n, wantName)
	if !ok {
		return ""
	}
	switch {
	case !isName(name):
		r.fail(n, wantName)
		return ""
	case name == LoopbackName:
		r.fail(n, "another name: it is the loopback port's")
	case vid == 0 && name == device:
		return "" // the name that it has
	}
	claim(r, x.names, name, n, "a name")
	return name
}

const wantAddress = "an IPv4 address with the length of its prefix, as 10.0.0.1/24"

func (r *reader) address(n *node, p *Port, x *across) bool {
	s, ok := r.text(n, wantAddress)
	if !ok {
		return false
	}
	prefix, err := netip.ParsePrefix(s)
	if err != nil || !prefix.Addr().Is4() {
		r.fail(n, wantAddress)
		return false
	}
	if why := notHost(prefix); why != "" {
		r.fail(n, "the address of a host: %s", why)
		return false
	}
	for _, other := range x.subnets {
		if other.prefix.Overlaps(prefix) {
			r.fail(n, "a subnet of its own: it overlaps %s of %s", other.prefix.Masked(), other.field)
			break
		}
	}
	x.subnets = append(x.subnets, subnet{prefix, n.field})
	p.Address = prefix
	return true
}

// CheckAddress says why a port cannot have p's address in p's subnet, "" when it can.
func CheckAddress(p netip.Prefix) string {
	if !p.IsValid() || !p.Addr().Is4() {
		return "it is not " + wantAddress
	}
	return notHost(p)
}

// notHost says why a host cannot have p's address in p's subnet, "" when it can.
func notHost(p netip.Prefix) string {
	a := p.Addr()
	switch {
	case p.Bits() == 0:
		return "a prefix of 0 bits is no subnet"
	case a.As4()[0] == 0, a.IsLoopback(), a.As4()[0] >= 224:
		return "0.0.0.0/8, 127.0.0.0/8 and 224.0.0.0/3 have none"
	case p.Bits() < 31 && a == p.Masked().Addr():
		return "this is the subnet itself"
	case p.Bits() < 31 && a == broadcast(p):
		return "this is the subnet's broadcast address"
	}
	return ""
}

func broadcast(p netip.Prefix) netip.Addr {
	b := p.Addr().As4()
	for i := range b {
		host := min(max((i+1)*8-p.Bits(), 0), 8)
		b[i] |= byte(1<<host - 1)
	}
	return netip.AddrFrom4(b)
}

func (r *reader) gateway(n *node, p *Port, x *across) {
	want := "the IPv4 address of a neighbour in " + p.Address.Masked().String()
	s, ok := r.text(n, want)
	if !ok {
		return
	}
	a, err := netip.ParseAddr(s)
	if err != nil || !p.Address.Contains(a) || a == p.Address.Addr() || notHost(netip.PrefixFrom(a, p.Address.Bits())) != "" {
		r.fail(n, "%s", want)
		return
	}
	if other, taken := x.gateways[true]; taken {
		r.fail(n, "one gateway in all: %s is another", other)
		return
	}
	x.gateways[true] = n.field
	p.Gateway = a
}
