package gateway

import (
	"net/netip"
	"strconv"
	"strings"
)

// oob reads an oob port's table; address is the port's.
func (r *reader) oob(n *node, address netip.Prefix) *Oob {
	o := &Oob{Pool: DefaultPool}
	t := r.table(n, plannedOob)
	if rules := t.get("accept"); rules != nil {
		r.rules(rules, o)
	}
	if f := t.get("filter"); f != nil {
		r.refuse(f, "expected in the table of the device: a filter program judges all that comes in on it")
	}
	o.Pool = r.number(t.get("pool"), "a number of buffers", 1, MaxPool, DefaultPool)
	o.Buffer = r.number(t.get("buffer"), "a number of bytes", MinBuffer, MaxBuffer, 0)
	if n := t.get("pool"); o.Buffer != 0 && o.Pool < 2 {
		r.fail(n, "a number of buffers, 2 to %d, beside buffer: one half is not for fragments", MaxPool)
	}
	if neighbours := t.get("neighbours"); neighbours != nil {
		r.neighbours(neighbours, o, address)
	}
	if peers := t.get("solicit"); peers != nil {
		r.solicit(peers, o, address)
	}
	t.done()
	return o
}

const (
	wantNeighbours = `an array of neighbours, as { address = "10.0.0.2", mac = "02:00:00:00:00:02" }`
	wantPeers      = `an array of addresses, as [ "10.0.0.2" ]`
)

// neighbours reads the permanent neighbours of a port.
func (r *reader) neighbours(n *node, o *Oob, address netip.Prefix) {
	if !n.isArray() || len(n.kids) == 0 || len(n.kids) > MaxNeighbours {
		r.fail(n, "%s; 1 to %d of them", wantNeighbours, MaxNeighbours)
		return
	}
	seen := used[netip.Addr]{}
	for _, k := range n.kids {
		t := r.table(k, nil)
		if t == nil {
			continue
		}
		var e Neighbour
		if a := t.need("address", "an address of the port's subnet"); a != nil {
			if e.Address = r.peer(a, address); e.Address.IsValid() {
				claim(r, seen, e.Address, a, "an address")
			}
		}
		if m := t.need("mac", wantMAC); m != nil {
			if s, ok := r.text(m, wantMAC); ok {
				if e.MAC, ok = parseMAC(s); !ok || !e.MAC.unicast() {
					r.fail(m, wantMAC)
				}
			}
		}
		t.done()
		o.Neighbours = append(o.Neighbours, e)
	}
}

// solicit reads who is asked for when a port comes up.
func (r *reader) solicit(n *node, o *Oob, address netip.Prefix) {
	if !n.isArray() || len(n.kids) == 0 || len(n.kids) > MaxNeighbours {
		r.fail(n, "%s; 1 to %d of them", wantPeers, MaxNeighbours)
		return
	}
	seen := used[netip.Addr]{}
	for _, k := range n.kids {
		if a := r.peer(k, address); a.IsValid() {
			claim(r, seen, a, k, "an address")
			o.Solicit = append(o.Solicit, a)
		}
	}
}

// peer reads the address of somebody else in the port's subnet; the zero value: it is none, and the error recorded.
func (r *reader) peer(n *node, address netip.Prefix) netip.Addr {
	s, ok := r.text(n, "an address")
	if !ok || !address.IsValid() { // the port's own is wrong, which is an error already
		return netip.Addr{}
	}
	a, err := netip.ParseAddr(s)
	switch {
	case err != nil || !address.Contains(a) || a == address.Addr():
		r.fail(n, "the address of another host of the port's subnet %s", address.Masked())
		return netip.Addr{}
	case notHost(netip.PrefixFrom(a, address.Bits())) != "":
		r.fail(n, "the address of a host: %s", notHost(netip.PrefixFrom(a, address.Bits())))
		return netip.Addr{}
	}
	return a
}

// accepted is a range that a rule accepts, and the field that says so.
type accepted struct {
	PortRange
	field string
}

func (r *reader) rules(n *node, o *Oob) {
	want := `an array of rules, as { protocol = "udp", port = 7 }`
	if !n.isArray() || len(n.kids) == 0 {
		r.fail(n, "%s; without rules, no field at all", want)
		return
	}
	var all []accepted
	for _, k := range n.kids {
		t := r.table(k, plannedRule)
		if t == nil {
			continue
		}
		rule := Rule{}
		if p := t.need("protocol", `"udp"`); p != nil && p.value != "udp" {
			r.fail(p, `"udp": ARP and ICMP echo go with the port, everything else is in-band`)
		}
		if p := t.need("port", wantPorts); p != nil {
			rule.UDP = r.ports(p)
			all = r.onlyOnce(p, rule.UDP, all)
		}
		t.done()
		o.Rules = append(o.Rules, rule)
	}
}

// onlyOnce records the error when a rule accepts what another does.
func (r *reader) onlyOnce(n *node, ranges []PortRange, all []accepted) []accepted {
	for _, p := range ranges {
		for _, a := range all {
			if p.First <= a.Last && a.First <= p.Last {
				r.fail(n, "ports that no other rule accepts: %s does", a.field)
				break
			}
		}
		all = append(all, accepted{p, n.field})
	}
	return all
}

const wantPorts = `UDP ports from 1 to 65535, as 7 or "7,5000-5010"`

// ports reads a port number, or a list of numbers and ranges.
func (r *reader) ports(n *node) []PortRange {
	s, ok := n.value.(string)
	if !ok {
		v, isInt := n.value.(int64)
		if !isInt || v < 1 || v > 65535 {
			r.fail(n, wantPorts)
			return nil
		}
		return []PortRange{{uint16(v), uint16(v)}}
	}
	var out []PortRange
	for item := range strings.SplitSeq(s, ",") {
		first, last, isRange := strings.Cut(strings.TrimSpace(item), "-")
		if !isRange {
			last = first
		}
		f, errF := strconv.ParseUint(first, 10, 16)
		l, errL := strconv.ParseUint(last, 10, 16)
		if errF != nil || errL != nil || f < 1 || l < f {
			r.fail(n, wantPorts)
			return nil
		}
		out = append(out, PortRange{uint16(f), uint16(l)})
	}
	return out
}
