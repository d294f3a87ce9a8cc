package gateway

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"mortise/stack/filter"
	"mortise/stack/filter/rules"
	"mortise/stack/filter/rules/compile"
)

// Forward is a rule of a device: what becomes of the frames that fit it, ahead of the device's ports.
type Forward struct {
	Name  string        // of its own on the device; counters go by it
	From  string        // the device
	Match *compile.Rule // what a frame must be; its verdict counts when To is empty
	To    []Destination
}

// Destination is a device that a frame is sent on, and how it is changed for it. What is nil, zero or invalid stays as it is. Push beside VID
// is for a frame without a tag: one that is there gets the VLAN ID instead, and keeps its priority unless PCP says so.
type Destination struct {
	Device           string
	Retag            bool // the tag is changed from that of a port to that of another
	Push             *Tag
	Pop              bool
	VID              *uint16 // of the outermost tag
	PCP              *uint8
	DstMAC, SrcMAC   *MAC
	Src, Dst         netip.Addr
	SrcPort, DstPort uint16 // of UDP and TCP
}

// Tag is a VLAN tag to be pushed.
type Tag struct {
	TPID, VID uint16
	PCP       uint8
}

// MaxDestinations is how many destinations a rule has at most.
const MaxDestinations = 4

// String says in words what the rule does.
func (f *Forward) String() string {
	match, verdict, _ := strings.Cut(" "+f.Match.String(), " verdict=")
	match = strings.TrimSpace(match)
	if f.Match.Single {
		match = strings.TrimSpace(match + " (one tag at most)")
	}
	if match == "" {
		match = "everything"
	}
	if len(f.To) == 0 {
		return match + ": " + verdict
	}
	var to []string
	for i := range f.To {
		to = append(to, f.To[i].String())
	}
	return match + " to " + strings.Join(to, " and ")
}

// String says in words what d is.
func (d *Destination) String() string {
	s := d.Device
	add := func(there bool, name string, value any) {
		if there {
			s += fmt.Sprintf(" %s=%v", name, value)
		}
	}
	if d.Push != nil {
		s += fmt.Sprintf(" push=%#04x:%d:%d", d.Push.TPID, d.Push.VID, d.Push.PCP)
	}
	if d.Pop {
		s += " pop"
	}
	if d.Push != nil && d.VID != nil {
		s += " or"
	}
	if d.VID != nil {
		add(true, "vid", *d.VID)
	}
	if d.PCP != nil {
		add(true, "pcp", *d.PCP)
	}
	add(d.DstMAC != nil, "dst_mac", d.DstMAC)
	add(d.SrcMAC != nil, "src_mac", d.SrcMAC)
	add(d.Src.IsValid(), "src_ip", d.Src)
	add(d.Dst.IsValid(), "dst_ip", d.Dst)
	add(d.SrcPort != 0, "src_port", d.SrcPort)
	add(d.DstPort != 0, "dst_port", d.DstPort)
	return s
}

// forwarding is what the rules are checked against.
type forwarding struct {
	*reader
	c       *Config
	devices *node
	names   used[[2]string] // device and rule
}

// forward reads the rules. The devices are known by then.
func (r *reader) forward(n *node, devices *node, c *Config) {
	if n == nil {
		return
	}
	if !n.isArray() {
		r.fail(n, "rules, each a table [[forward]]")
		return
	}
	f := &forwarding{reader: r, c: c, devices: devices, names: used[[2]string]{}}
	before := len(r.errs)
	for i, k := range n.kids {
		if rule := f.rule(k, i+1, ""); rule != nil {
			c.Forward = append(c.Forward, *rule)
		}
	}
	if len(r.errs) > before {
		return
	}
	for i := range c.Devices {
		f.compiles(n, c.Devices[i].Name)
	}
}

// compiles checks that a device's rules are not too many, nor too different.
func (f *forwarding) compiles(n *node, device string) {
	var list []*compile.Rule
	for i := range f.c.Forward {
		if f.c.Forward[i].From == device {
			list = append(list, f.c.Forward[i].Match)
		}
	}
	if err := compile.Compile(new(rules.Table), list); err != nil {
		f.refuse(n, "rules from %s: %v", device, err)
	}
}

// rule reads rule number i, which is called name if it does not say; "": by its number.
func (f *forwarding) rule(n *node, i int, name string) *Forward {
	t := f.table(n, nil)
	if t == nil {
		return nil
	}
	if name == "" {
		name = ruleName(i)
	}
	rule := &Forward{Name: name}
	var source *Port
	from := t.need("from", wantPlace)
	if from != nil {
		rule.From, source = f.place(from)
	}
	at := n
	if name := t.get("name"); name != nil {
		s, ok := f.text(name, wantName)
		if ok && !isName(s) {
			f.fail(name, wantName)
		}
		rule.Name, at = s, name
	}
	if rule.From != "" {
		claim(f.reader, f.names, [2]string{rule.From, rule.Name}, at, "a name")
	}
	to, verdict := t.get("to"), t.get("verdict")
	switch {
	case to == nil && verdict == nil:
		t.missing("to", "devices to send the frames on, or a verdict")
	case to != nil && verdict != nil:
		f.refuse(verdict, "expected nothing beside %s", to.field)
		fallthrough
	case to != nil:
		rule.To = f.destinations(to, source)
	}
	rule.Match = f.match(t)
	if source != nil && rule.Match != nil {
		f.onPort(t, rule, source)
	}
	if to != nil && rule.Match != nil {
		f.readdressed(to, rule.Match.Protocol)
	}
	t.done()
	return rule
}

// match reads what frames fit a rule.
func (f *forwarding) match(t *table) *compile.Rule {
	fields := map[string]any{}
	for _, name := range compile.Fields {
		if n := t.get(name); n != nil {
			fields[name] = n.value
		}
	}
	rule, err := compile.Parse(fields)
	if err == nil {
		return rule
	}
	e := &Error{File: f.file, Line: t.n.line, Field: t.n.field, Want: err.Error()}
	var wrong *compile.FieldError
	if errors.As(err, &wrong) {
		e.Field, e.Want = t.n.field+"."+wrong.Field, "expected "+wrong.Want
		if n := t.get(wrong.Field); n != nil {
			e.Line, e.Field = n.line, n.field
			if wrong.Found != "" {
				e.Found = n.String()
			}
		}
	}
	f.errs = append(f.errs, e)
	return rule
}

// Protocols of IPv4 whose checksums cover its addresses: RFC 9293 3.1, RFC 768, RFC 4340 9.1, RFC 3828 3.1.
const (
	protoTCP     = 6
	protoUDP     = 17
	protoDCCP    = 33
	protoUDPLite = 136
)

// readdressed refuses addresses and ports for a protocol whose packets would not have them, or not be right with them.
func (f *forwarding) readdressed(to *node, protocol int) {
	nodes := []*node{to}
	if to.isArray() {
		nodes = to.kids
	}
	for _, d := range nodes {
		for _, k := range d.kids {
			switch k.key {
			case "src_ip", "dst_ip":
				if protocol == protoDCCP || protocol == protoUDPLite {
					f.refuse(k, "expected nothing beside protocol %d: its checksum covers the addresses, and would not follow", protocol)
				}
			case "src_port", "dst_port":
				if protocol != compile.Any && protocol != protoTCP && protocol != protoUDP {
					f.refuse(k, "expected nothing beside protocol %d: only ports of TCP and UDP are changed", protocol)
				}
			}
		}
	}
}

// onPort narrows a match down to the frames of a port. Where a tag is changed for another port, it must be the one that told which port the
// frame is of: of two tags, that is the inner one, which stays as it is.
func (f *forwarding) onPort(t *table, rule *Forward, p *Port) {
	match := rule.Match
	if n := t.get("vlan"); n != nil {
		f.refuse(n, "expected nothing beside from, which is a port and says so already")
		return
	}
	if p.VID == 0 {
		if n := t.get("pcp"); n != nil {
			f.refuse(n, "expected nothing beside from, whose frames have no tag")
			return
		}
		match.Untagged, match.Single = true, true // with two tags, whatever they say, a frame is not of the device's own port
		return
	}
	match.Single = slices.ContainsFunc(rule.To, func(d Destination) bool { return d.Retag })
	match.VLANs = new(filter.VIDSet)
	match.VLANs.Add(p.VID)
}

const wantPlace = "the name of a device or a port"

// place reads the name of a device, which the oob stage must drive, and that follows by itself; or of a port on one. "" when it is
// neither.
func (f *forwarding) place(n *node) (device string, p *Port) {
	name, ok := f.text(n, wantPlace)
	if !ok {
		return "", nil
	}
	var names []string
	for i := range f.c.Devices {
		d := &f.c.Devices[i]
		if d.Name == name {
			return f.drive(n, d), nil
		}
		names = append(names, d.Name)
		for j := range d.Ports {
			if p := &d.Ports[j]; p.Name(d.Name) == name {
				return f.drive(n, d), p
			} else if p.Name(d.Name) != d.Name {
				names = append(names, p.Name(d.Name))
			}
		}
	}
	f.fail(n, "%s: %s", wantPlace, strings.Join(names, ", "))
	return "", nil
}

// drive has the oob stage drive the device that n names.
func (f *forwarding) drive(n *node, d *Device) string {
	name := d.Name
	if d.Divert {
		return name
	}
	if own := f.divertField(name); own != nil {
		f.fail(n, "a device that is diverted: %s is false", own.field)
		return name
	}
	if f.board != nil {
		for _, c := range f.board.Controllers {
			if c.Name == d.Controller && !c.OobCapable {
				f.fail(n, "a device that can be diverted: controller %s of %s has no oob-capable driver", c.Name, name)
				return name
			}
		}
	}
	d.Divert = true
	return name
}

// divertField returns the field divert of a device, nil when it is not there.
func (f *forwarding) divertField(device string) *node {
	for _, d := range f.devices.kids {
		if d.key != device {
			continue
		}
		for _, k := range d.kids {
			if k.key == "divert" {
				return k
			}
		}
	}
	return nil
}

// destinations reads one destination, or an array of them: each the name of a device or a table.
func (f *forwarding) destinations(n *node, source *Port) (list []Destination) {
	want := fmt.Sprintf("a device's or port's name, a table with one, or an array of up to %d of these", MaxDestinations)
	nodes := []*node{n}
	if n.isArray() {
		nodes = n.kids
	}
	if len(nodes) == 0 || len(nodes) > MaxDestinations {
		f.fail(n, "%s", want)
		return nil
	}
	for _, k := range nodes {
		switch {
		case k.isTable():
			list = append(list, f.destination(k, source))
		case k.isArray():
			f.fail(k, "%s", want)
		default:
			d, p := f.destinationOf(k, source)
			list = append(list, f.tagged(d, source, p))
		}
	}
	return list
}

// destination reads a destination with what is changed.
func (f *forwarding) destination(n *node, source *Port) (d Destination) {
	t := f.table(n, nil)
	var to *Port
	if k := t.need("device", wantPlace); k != nil {
		d, to = f.destinationOf(k, source)
	}
	push, vid, pcp, pop := t.get("push"), t.get("vid"), t.get("pcp"), t.get("pop")
	d.Pop = f.flag(pop, false)
	if push != nil {
		d.Push = f.tag(push)
	}
	if vid != nil {
		d.VID = new(uint16)
		*d.VID = uint16(f.number(vid, wantTagVID, 0, maxTagVID, 0))
	}
	if pcp != nil {
		d.PCP = new(uint8)
		*d.PCP = uint8(f.number(pcp, wantTagPCP, 0, 7, 0))
	}
	for _, k := range []*node{vid, pcp} {
		if k != nil && (push != nil || d.Pop) {
			f.refuse(k, "expected nothing beside push or pop: it changes the tag that is there")
		}
	}
	if push != nil && d.Pop {
		f.refuse(pop, "expected nothing beside %s", push.field)
	}
	for _, k := range []*node{push, vid, pop} {
		if k != nil && to != nil {
			f.refuse(k, "expected nothing beside device, which is a port and says so already")
		}
	}
	if to != nil {
		tagged := f.tagged(d, source, to)
		if d.PCP != nil && tagged.Push != nil {
			tagged.Push.PCP = *d.PCP
		} else if d.PCP != nil && to.VID == 0 {
			f.refuse(pcp, "expected nothing beside device, whose frames have no tag")
		}
		d.Push, d.Pop, d.VID, d.Retag = tagged.Push, tagged.Pop, tagged.VID, tagged.Retag
	}
	d.DstMAC = f.anyMAC(t.get("dst_mac"), false)
	d.SrcMAC = f.anyMAC(t.get("src_mac"), true)
	d.Src, d.Dst = f.ipv4(t.get("src_ip")), f.ipv4(t.get("dst_ip"))
	d.SrcPort, d.DstPort = f.port(t.get("src_port")), f.port(t.get("dst_port"))
	t.done()
	return d
}

// destinationOf reads the name of a destination. A port can be one for frames that come from a port: what tag these have is known.
func (f *forwarding) destinationOf(n *node, source *Port) (d Destination, p *Port) {
	d.Device, p = f.place(n)
	if p != nil && source == nil {
		f.refuse(n, "expected the name of a device: to send frames on to a port, say in from which port they are of")
		return d, nil
	}
	return d, p
}

// tagged returns d with the change of tag that takes a frame from the port source to the port to; nil: it stays. A frame of an untagged port
// may have a tag with a priority and no VLAN.
func (f *forwarding) tagged(d Destination, source, to *Port) Destination {
	if to == nil || source == nil || source.VID == to.VID {
		return d
	}
	d.Retag = true
	if to.VID == 0 {
		d.Pop = true
		return d
	}
	if source.VID == 0 {
		d.Push = &Tag{TPID: 0x8100, VID: to.VID}
	}
	d.VID = new(uint16)
	*d.VID = to.VID
	return d
}

const (
	wantTagVID = "a VLAN ID (0: a priority tag)"
	wantTagPCP = "a priority"
	maxTagVID  = 4094
)

// tag reads a tag that is pushed.
func (f *forwarding) tag(n *node) *Tag {
	t := f.table(n, nil)
	if t == nil {
		return nil
	}
	tag := &Tag{TPID: 0x8100}
	tag.VID = uint16(f.number(t.need("vid", fmt.Sprintf("%s, 0 to %d", wantTagVID, maxTagVID)), wantTagVID, 0, maxTagVID, 0))
	tag.PCP = uint8(f.number(t.get("pcp"), wantTagPCP, 0, 7, 0))
	if k := t.get("tpid"); k != nil {
		v, _ := k.value.(int64)
		if v != 0x8100 && v != 0x88a8 {
			f.fail(k, "0x8100 or 0x88a8")
		}
		tag.TPID = uint16(v)
	}
	t.done()
	return tag
}

// anyMAC reads a MAC address, nil when there is none or it is wrong.
func (f *forwarding) anyMAC(n *node, unicast bool) *MAC {
	if n == nil {
		return nil
	}
	want := "a MAC address as 02:00:00:00:00:01"
	if unicast {
		want = wantMAC
	}
	s, ok := f.text(n, want)
	if !ok {
		return nil
	}
	mac, ok := parseMAC(s)
	if !ok || unicast && !mac.unicast() {
		f.fail(n, "%s", want)
	}
	return &mac
}

// ipv4 reads an IPv4 address, the zero value when there is none or it is wrong.
func (f *forwarding) ipv4(n *node) (a netip.Addr) {
	const want = "an IPv4 address as 10.0.0.1"
	if n == nil {
		return a
	}
	s, ok := f.text(n, want)
	if !ok {
		return a
	}
	a, err := netip.ParseAddr(s)
	if err != nil || !a.Is4() {
		f.fail(n, want)
		return netip.Addr{}
	}
	return a
}
