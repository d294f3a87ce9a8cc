package gateway

import (
	"strconv"
	"strings"
)

// oob reads an oob port's table.
func (r *reader) oob(n *node) *Oob {
	o := &Oob{}
	t := r.table(n, plannedOob)
	if rules := t.get("accept"); rules != nil {
		r.rules(rules, o)
	}
	t.done()
	return o
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
