// Package compile reads accept and forwarding rules from text, makes package rules' tables of them, and explains what a
// table finds.
//
// A rule names values of fields; a frame fits when each field that the rule names has one of them. The first rule that
// fits decides. The fields and their values are in docs/filters.md. Stack/gateway hands over what stands in gateway.toml.
//
// Stage: in-band, and the host. Follows: package rules' documents. Does not support: more than 64 rules, or rules whose
// VLANs and ports differ in more ways than package rules has classes and pages.
package compile

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"mortise/stack/filter"
	"mortise/stack/filter/vids"
)

// Rule is what a frame must be to fit. The zero value fits all frames.
type Rule struct {
	EtherTypes      []uint16       // behind the tags; none: any
	VLANs           *filter.VIDSet // of the inner tag; nil: any
	Untagged        bool           // no tag, or one of VLAN ID 0
	Single          bool           // one tag at most; no field of the text has it
	PCP             uint8          // a bit for each priority of the inner tag; 0: any, and untagged
	SrcMAC, DstMAC  *[6]byte
	Src, Dst        netip.Prefix // IPv4; the zero value: any
	Protocol        int          // of IPv4; Any: any
	SrcPorts, Ports []PortRange  // of UDP, TCP and SCTP; none: any
	Verdict         filter.Verdict
	hasIPv4         bool
}

// Any is Rule.Protocol of a rule that names none. A Rule that Parse returns has it; the zero value names protocol 0.
const Any = -1

// PortRange is a range of ports, ends included.
type PortRange struct{ First, Last uint16 }

// FieldError is what is wrong with a field of a rule.
type FieldError struct {
	Field string // its name
	Found string // its value, "" when it is not there
	Want  string
}

func (e *FieldError) Error() string {
	if e.Found == "" {
		return fmt.Sprintf("%s: expected %s", e.Field, e.Want)
	}
	return fmt.Sprintf("%s = %s: expected %s", e.Field, e.Found, e.Want)
}

// Fields are the names of a rule's fields, in the order in which String has them.
var Fields = []string{"ethertype", "vlan", "pcp", "src_mac", "dst_mac", "src", "dst", "protocol", "src_port", "port", "verdict"}

// names of values.
var (
	etherTypes = map[string]uint16{"ipv4": 0x0800, "arp": 0x0806, "ipv6": 0x86dd, "ethercat": 0x88a4, "profinet": 0x8892, "ptp": 0x88f7,
		"avtp": 0x22f0, "uadp": 0xb62c, "lldp": 0x88cc, "mrp": 0x88e3, "goose": 0x88b8, "sv": 0x88ba}
	protocols = map[string]int{"icmp": 1, "igmp": 2, "tcp": 6, "udp": 17, "sctp": 132}
	verdicts  = map[string]filter.Verdict{"accept": filter.Accept, "skip": filter.Skip, "drop": filter.Drop, "vlan": filter.VLAN}
)

// What is expected of a field.
const (
	wantEtherType = `ethertypes, as 0x88a4, "ethercat" or "0x8892,ptp", from 0x600`
	wantVLAN      = `VLAN IDs, as 42 or "42-45,100", or "none"`
	wantPCP       = `priorities from 0 to 7, as 6 or "5-7"`
	wantMAC       = `a MAC address, as "02:00:00:00:00:01"`
	wantPrefix    = `an IPv4 address or prefix without bits behind it, as "10.0.0.0/24"`
	wantProtocol  = `an IPv4 protocol, as "udp", "tcp", "icmp" or 17`
	wantPorts     = `ports from 1 to 65535, as 7 or "7,5000-5010"`
	wantVerdict   = `"accept", "skip", "drop" or "vlan"`
)

// MaxRanges is how many ranges a field may list.
const MaxRanges = 64

// Parse reads a rule from the values of its fields, as TOML has them: strings and integers of 64 bits. The error is a
// *FieldError.
func Parse(fields map[string]any) (*Rule, error) {
	r := &Rule{Protocol: Any, Verdict: filter.Accept}
	for _, name := range Fields { // in order, so that the first error is always the same
		v, ok := fields[name]
		if !ok {
			continue
		}
		if want := r.set(name, v); want != "" {
			return nil, &FieldError{name, show(v), want}
		}
	}
	for name := range fields {
		if !slices.Contains(Fields, name) {
			return nil, &FieldError{name, "", "one of " + strings.Join(Fields, ", ")}
		}
	}
	return r, r.check()
}

// check looks at what the fields are together.
func (r *Rule) check() error {
	r.hasIPv4 = r.Src.IsValid() || r.Dst.IsValid() || r.Protocol != Any || r.SrcPorts != nil || r.Ports != nil
	switch {
	case r.hasIPv4 && len(r.EtherTypes) > 0 && !slices.Equal(r.EtherTypes, []uint16{0x0800}):
		return &FieldError{"ethertype", "", `nothing or "ipv4" beside a field of IPv4`}
	case (r.Ports != nil || r.SrcPorts != nil) && r.Protocol != 17 && r.Protocol != 6 && r.Protocol != 132:
		return &FieldError{"protocol", "", `"udp", "tcp" or "sctp" beside ports`}
	case r.Untagged && (r.VLANs != nil || r.PCP != 0):
		return &FieldError{"pcp", "", `nothing beside vlan = "none": only a tag has a priority`}
	}
	return nil
}

// show returns v as the file has it.
func show(v any) string {
	if s, ok := v.(string); ok {
		return strconv.Quote(s)
	}
	return fmt.Sprint(v)
}

// set sets a field, or says what is expected of it.
func (r *Rule) set(name string, v any) (want string) {
	text := ""
	switch v := v.(type) {
	case string:
		text = v
	case int64:
		text = strconv.FormatInt(v, 10)
	}
	ok := len(text) > 0 && len(text) <= 1024
	switch name {
	case "ethertype":
		want = wantEtherType
		for item := range strings.SplitSeq(text, ",") {
			item = strings.TrimSpace(item)
			kind, known := etherTypes[item]
			if !known {
				n, err := strconv.ParseUint(item, 0, 16)
				ok = ok && err == nil && n >= 0x600
				kind = uint16(n)
			}
			r.EtherTypes = append(r.EtherTypes, kind)
		}
	case "vlan":
		want = wantVLAN
		if text == "none" {
			r.Untagged = true
			break
		}
		set, err := vids.Parse(text)
		if err != nil {
			return err.Error()
		}
		r.VLANs = &set
	case "pcp":
		want = wantPCP
		ranges, good := ranges(text, 0, 7)
		ok = ok && good
		for _, p := range ranges {
			for i := p.First; i <= p.Last; i++ {
				r.PCP |= 1 << i
			}
		}
	case "src_mac":
		want = wantMAC
		r.SrcMAC, ok = mac(text)
	case "dst_mac":
		want = wantMAC
		r.DstMAC, ok = mac(text)
	case "src":
		want = wantPrefix
		r.Src, ok = prefix(text)
	case "dst":
		want = wantPrefix
		r.Dst, ok = prefix(text)
	case "protocol":
		want = wantProtocol
		n, known := protocols[text]
		if !known {
			u, err := strconv.ParseUint(text, 10, 8)
			ok = ok && err == nil
			n = int(u)
		}
		r.Protocol = n
	case "src_port":
		want = wantPorts
		r.SrcPorts, ok = ranges(text, 1, 65535)
	case "port":
		want = wantPorts
		r.Ports, ok = ranges(text, 1, 65535)
	case "verdict":
		want = wantVerdict
		r.Verdict, ok = verdicts[text]
	}
	if ok {
		return ""
	}
	return want
}

// ranges reads a list of numbers and ranges.
func ranges(text string, least, most uint64) (list []PortRange, ok bool) {
	for item := range strings.SplitSeq(text, ",") {
		first, last, isRange := strings.Cut(strings.TrimSpace(item), "-")
		if !isRange {
			last = first
		}
		f, err := strconv.ParseUint(first, 10, 16)
		l, err2 := strconv.ParseUint(last, 10, 16)
		if err != nil || err2 != nil || f < least || l > most || l < f || len(list) == MaxRanges {
			return nil, false
		}
		list = append(list, PortRange{uint16(f), uint16(l)})
	}
	return list, true
}

func mac(text string) (*[6]byte, bool) {
	m, err := net.ParseMAC(text)
	if err != nil || len(m) != 6 {
		return nil, false
	}
	return (*[6]byte)(m), true
}

func prefix(text string) (netip.Prefix, bool) {
	p, err := netip.ParsePrefix(text)
	if err != nil {
		a, err := netip.ParseAddr(text)
		if err != nil || !a.Is4() {
			return netip.Prefix{}, false
		}
		return netip.PrefixFrom(a, 32), true
	}
	return p, p.Addr().Is4() && p == p.Masked()
}

// String returns the rule as ParseLine reads it.
func (r *Rule) String() string {
	var f []string
	add := func(name, value string) { f = append(f, name+"="+value) }
	if len(r.EtherTypes) > 0 {
		var list []string
		for _, e := range r.EtherTypes {
			list = append(list, fmt.Sprintf("%#04x", e))
		}
		add("ethertype", strings.Join(list, ","))
	}
	if r.VLANs != nil {
		add("vlan", vids.Format(r.VLANs))
	}
	if r.Untagged {
		add("vlan", "none")
	}
	if r.PCP != 0 {
		var list []string
		for i := range 8 {
			if r.PCP>>i&1 != 0 {
				list = append(list, strconv.Itoa(i))
			}
		}
		add("pcp", strings.Join(list, ","))
	}
	if r.SrcMAC != nil {
		add("src_mac", net.HardwareAddr(r.SrcMAC[:]).String())
	}
	if r.DstMAC != nil {
		add("dst_mac", net.HardwareAddr(r.DstMAC[:]).String())
	}
	if r.Src.IsValid() {
		add("src", r.Src.String())
	}
	if r.Dst.IsValid() {
		add("dst", r.Dst.String())
	}
	if r.Protocol != Any {
		add("protocol", protocolName(r.Protocol))
	}
	if r.SrcPorts != nil {
		add("src_port", portList(r.SrcPorts))
	}
	if r.Ports != nil {
		add("port", portList(r.Ports))
	}
	for name, v := range verdicts {
		if v == r.Verdict {
			add("verdict", name)
		}
	}
	return strings.Join(f, " ")
}

func protocolName(n int) string {
	for name, v := range protocols {
		if v == n {
			return name
		}
	}
	return strconv.Itoa(n)
}

func portList(list []PortRange) string {
	var s []string
	for _, p := range list {
		if p.First == p.Last {
			s = append(s, strconv.Itoa(int(p.First)))
		} else {
			s = append(s, fmt.Sprintf("%d-%d", p.First, p.Last))
		}
	}
	return strings.Join(s, ",")
}

// ParseLine reads a rule as a console has it: name=value, separated by spaces; values without spaces, no quotes.
func ParseLine(line string) (*Rule, error) {
	fields := map[string]any{}
	for _, f := range strings.Fields(line) {
		name, value, ok := strings.Cut(f, "=")
		if !ok {
			return nil, &FieldError{name, "", "name=value"}
		}
		if _, twice := fields[name]; twice {
			return nil, &FieldError{name, strconv.Quote(value), "each field once"}
		}
		fields[name] = value
	}
	return Parse(fields)
}
