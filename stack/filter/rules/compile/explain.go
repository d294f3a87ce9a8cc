package compile

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"mortise/stack/filter/rules"
)

// Explanation is what a list of rules has to say of a frame.
type Explanation struct {
	Rule int // the number of the first rule that fits, rules.None when none does
	// Why has a line for each rule up to that one: for the others the first field that does not fit.
	Why []string
}

// String returns the lines.
func (e *Explanation) String() string { return strings.Join(e.Why, "\n") }

// packet is a frame's fields, as far as it has them.
type packet struct {
	dst, src         [6]byte
	etherType        uint16
	tags             int
	vid, pcp         uint16
	ipv4, ports      bool
	from, to         netip.Addr
	protocol         int
	srcPort, dstPort uint16
}

// read takes a frame apart. It reads byte by byte what package rules reads in words: each is the other's test.
func read(frame []byte) (p packet, ok bool) {
	if len(frame) < 14 {
		return p, false
	}
	copy(p.dst[:], frame)
	copy(p.src[:], frame[6:])
	p.etherType = binary.BigEndian.Uint16(frame[12:])
	rest := frame[14:]
	for tags := 0; tags < 2 && (p.etherType == 0x8100 || p.etherType == 0x88a8) && len(rest) >= 4; tags++ {
		tci := binary.BigEndian.Uint16(rest)
		p.tags, p.vid, p.pcp, p.etherType = tags+1, tci&0xfff, tci>>13, binary.BigEndian.Uint16(rest[2:])
		rest = rest[4:]
	}
	if p.etherType != 0x0800 || len(rest) < 20 || rest[0]>>4 != 4 {
		return p, true
	}
	size := int(rest[0]&15) * 4
	if size < 20 || size > len(rest) {
		return p, true
	}
	p.ipv4, p.protocol = true, int(rest[9])
	p.from, p.to = netip.AddrFrom4([4]byte(rest[12:])), netip.AddrFrom4([4]byte(rest[16:]))
	if binary.BigEndian.Uint16(rest[6:])&0x3fff == 0 && len(rest)-size >= 4 {
		p.ports = true
		p.srcPort, p.dstPort = binary.BigEndian.Uint16(rest[size:]), binary.BigEndian.Uint16(rest[size+2:])
	}
	return p, true
}

// Explain says which rule a frame fits, and why not those before it.
func Explain(list []*Rule, frame []byte) Explanation {
	p, ok := read(frame)
	if !ok {
		return Explanation{rules.None, []string{"no rule: the frame is shorter than its header"}}
	}
	e := Explanation{Rule: rules.None}
	for i, r := range list {
		if why := r.misfit(&p); why != "" {
			e.Why = append(e.Why, fmt.Sprintf("rule %d (%v) does not fit: %s", i+1, r, why))
			continue
		}
		e.Rule = i
		e.Why = append(e.Why, fmt.Sprintf("rule %d (%v) fits", i+1, r))
		return e
	}
	e.Why = append(e.Why, "no rule fits")
	return e
}

// misfit says what of p does not fit r, "" when all does.
func (r *Rule) misfit(p *packet) string {
	in := func(list []PortRange, v uint16) bool {
		return slices.ContainsFunc(list, func(x PortRange) bool { return x.First <= v && v <= x.Last })
	}
	switch {
	case len(r.EtherTypes) > 0 && !slices.Contains(r.EtherTypes, p.etherType):
		return fmt.Sprintf("the ethertype is %#04x", p.etherType)
	case r.VLANs != nil && !r.VLANs.Has(p.vid):
		if p.tags == 0 {
			return "the frame has no tag"
		}
		return fmt.Sprintf("the VLAN ID is %d", p.vid)
	case r.Untagged && p.vid != 0:
		return fmt.Sprintf("the VLAN ID is %d", p.vid)
	case r.Single && p.tags > 1:
		return "the frame has two tags"
	case r.PCP != 0 && p.tags == 0:
		return "the frame has no tag"
	case r.PCP != 0 && r.PCP>>p.pcp&1 == 0:
		return fmt.Sprintf("the priority is %d", p.pcp)
	case r.SrcMAC != nil && *r.SrcMAC != p.src:
		return "the source is " + net.HardwareAddr(p.src[:]).String()
	case r.DstMAC != nil && *r.DstMAC != p.dst:
		return "the destination is " + net.HardwareAddr(p.dst[:]).String()
	case !r.hasIPv4:
		return ""
	case !p.ipv4:
		return "the frame holds no IPv4 packet with a whole header"
	case r.Src.IsValid() && !r.Src.Contains(p.from):
		return fmt.Sprintf("the source is %v", p.from)
	case r.Dst.IsValid() && !r.Dst.Contains(p.to):
		return fmt.Sprintf("the destination is %v", p.to)
	case r.Protocol != Any && r.Protocol != p.protocol:
		return "the protocol is " + protocolName(p.protocol)
	case r.SrcPorts == nil && r.Ports == nil:
		return ""
	case !p.ports:
		return "the packet is a fragment, or ends before its ports"
	case r.SrcPorts != nil && !in(r.SrcPorts, p.srcPort):
		return fmt.Sprintf("the source port is %d", p.srcPort)
	case r.Ports != nil && !in(r.Ports, p.dstPort):
		return fmt.Sprintf("the port is %d", p.dstPort)
	}
	return ""
}
