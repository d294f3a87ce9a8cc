package compile

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"mortise/stack/filter/rules"
)

// Compile makes t the table of the rules, in their order. A table of no rules fits no frame.
func Compile(t *rules.Table, list []*Rule) error {
	if len(list) > rules.Max {
		return fmt.Errorf("%d rules: at most %d are taken", len(list), rules.Max)
	}
	*t = rules.Table{}
	for i, r := range list {
		if err := r.check(); err != nil {
			return fmt.Errorf("rule %d: %w", i+1, err)
		}
		t.All.Add(i)
		if !r.hasIPv4 {
			t.NotIPv4.Add(i)
		}
		if r.SrcPorts == nil && r.Ports == nil {
			t.NoPorts.Add(i)
		}
		for p := range t.PCP {
			if r.PCP == 0 || p < 8 && r.PCP>>p&1 != 0 {
				t.PCP[p].Add(i)
				if p < 8 && !r.Single {
					t.PCP2[p].Add(i)
				}
			}
		}
		for v := range 256 {
			if r.Protocol == Any || r.Protocol == v {
				t.Protocol[v].Add(i)
			}
		}
		use(t, r.VLANs != nil || r.Untagged || r.Single || r.PCP != 0, rules.UsesTag)
		use(t, len(r.EtherTypes) > 0, rules.UsesEtherType)
		use(t, r.SrcMAC != nil || r.DstMAC != nil, rules.UsesMAC)
		use(t, r.Src.IsValid(), rules.UsesSrc)
		use(t, r.Dst.IsValid(), rules.UsesDst)
		use(t, r.SrcPorts != nil, rules.UsesSrcPort)
	}
	if err := vlans(&t.VLAN, list); err != nil {
		return err
	}
	if err := macs(&t.SrcMAC, &t.Multiplier[0], list, func(r *Rule) *[6]byte { return r.SrcMAC }, 0); err != nil {
		return fmt.Errorf("src_mac: %w", err)
	}
	if err := macs(&t.DstMAC, &t.Multiplier[1], list, func(r *Rule) *[6]byte { return r.DstMAC }, 2); err != nil {
		return fmt.Errorf("dst_mac: %w", err)
	}
	for _, f := range []struct {
		name   string
		table  *rules.Numbers
		ranges func(r *Rule) []PortRange
	}{
		{"ethertype", &t.EtherType, (*Rule).etherTypes},
		{"src", &t.Src[0], func(r *Rule) []PortRange { return half(r.Src, 0) }},
		{"src", &t.Src[1], func(r *Rule) []PortRange { return half(r.Src, 2) }},
		{"dst", &t.Dst[0], func(r *Rule) []PortRange { return half(r.Dst, 0) }},
		{"dst", &t.Dst[1], func(r *Rule) []PortRange { return half(r.Dst, 2) }},
		{"src_port", &t.SrcPort, func(r *Rule) []PortRange { return r.SrcPorts }},
		{"port", &t.DstPort, func(r *Rule) []PortRange { return r.Ports }},
	} {
		if err := numbers(f.table, list, f.ranges); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
	}
	if len(list) == 1 {
		if one, ok := list[0].one(); ok {
			t.One, t.HasOne = one, 1
		}
	}
	return nil
}

// use marks a field that some rule asks for.
func use(t *rules.Table, asked bool, field uint32) {
	if asked {
		t.Uses |= field
	}
}

func (r *Rule) etherTypes() (list []PortRange) {
	for _, e := range r.EtherTypes {
		list = append(list, PortRange{e, e})
	}
	return list
}

// half returns the values that 16 bits of an address of p have, from byte at on: both halves are in their range exactly when
// the address is in p.
func half(p netip.Prefix, at int) []PortRange {
	if !p.IsValid() {
		return nil
	}
	b := p.Masked().Addr().As4()
	free := uint16(0xffff >> min(max(p.Bits()-8*at, 0), 16)) // bits that the prefix leaves open
	first := uint16(b[at])<<8 | uint16(b[at+1])
	return []PortRange{{first, first | free}}
}

// macs fills the table of a MAC address: its two words are bytes 4 from at on and the other two.
func macs(t *rules.MACs, multiplier *uint32, list []*Rule, field func(*Rule) *[6]byte, at int) error {
	words := func(m *[6]byte) [2]uint32 {
		four, two := m[at:at+4], m[(at+4)%6:][:2]
		return [2]uint32{binary.LittleEndian.Uint32(four), uint32(binary.LittleEndian.Uint16(two))}
	}
	sets := map[[2]uint32]rules.Set{}
	for i, r := range list {
		if m := field(r); m == nil {
			t.Other.Add(i)
		} else {
			sets[words(m)] = rules.Set{}
		}
	}
	for i, r := range list {
		for w, s := range sets {
			if m := field(r); m == nil || words(m) == w {
				s.Add(i)
				sets[w] = s
			}
		}
	}
	// 64 addresses have slots of their own with every eighth multiplier or so.
	const tries = 1 << 12
	used := map[uint32]bool{}
	*multiplier = 0x9e3779b1
	for n := 0; ; n++ {
		clear(used)
		for w := range sets {
			used[rules.Hash(w[0], w[1], *multiplier)] = true
		}
		if len(used) == len(sets) {
			break
		}
		if n == tries {
			return fmt.Errorf("no hash without collisions in %d tries", tries)
		}
		*multiplier += 0x3c6ef362
	}
	for i := range t.Slot {
		t.Slot[i].Set = t.Other // an empty slot has the address 0
	}
	for w, s := range sets {
		slot := &t.Slot[rules.Hash(w[0], w[1], *multiplier)]
		slot.Word, slot.Set = w, s
	}
	return nil
}

// classes numbers the sets that occur, the first one 0.
type classes struct {
	number map[rules.Set]uint8
	sets   *[rules.Classes]rules.Set
}

func newClasses(sets *[rules.Classes]rules.Set) *classes {
	return &classes{map[rules.Set]uint8{}, sets}
}

func (c *classes) of(s rules.Set) (uint8, error) {
	n, ok := c.number[s]
	if !ok {
		if len(c.number) == rules.Classes {
			return 0, fmt.Errorf("the rules overlap in more than %d different ways", rules.Classes)
		}
		n = uint8(len(c.number))
		c.number[s], c.sets[n] = n, s
	}
	return n, nil
}

// vlans fills the table of VLAN IDs; that of 0 stands for frames without a tag as well.
func vlans(t *rules.Numbers, list []*Rule) (err error) {
	c := newClasses(&t.Set)
	for vid := range 1 << 12 {
		var s rules.Set
		for i, r := range list {
			if r.VLANs == nil && !r.Untagged || r.VLANs != nil && r.VLANs.Has(uint16(vid)) || r.Untagged && vid == 0 {
				s.Add(i)
			}
		}
		if t.Class[vid&0xff<<8|vid>>8], err = c.of(s); err != nil {
			return fmt.Errorf("vlan: %w", err)
		}
	}
	return nil
}

// numbers fills the table of a field of 16 bits; field returns a rule's values, none for any.
func numbers(t *rules.Numbers, list []*Rule, field func(*Rule) []PortRange) (err error) {
	var mixed [257]bool // pages whose numbers are not all alike
	ranges := make([][]PortRange, len(list))
	for i, r := range list {
		ranges[i] = field(r)
		for _, p := range ranges[i] {
			for _, edge := range [2]int{int(p.First), int(p.Last) + 1} {
				mixed[edge/256] = mixed[edge/256] || edge%256 != 0
			}
		}
	}
	set := func(v uint16) (s rules.Set) {
		for i, l := range ranges {
			fits := len(l) == 0
			for _, p := range l {
				fits = fits || p.First <= v && v <= p.Last
			}
			if fits {
				s.Add(i)
			}
		}
		return s
	}
	c := newClasses(&t.Set)
	for high := range 256 {
		var class uint8
		for low := range 256 {
			if low == 0 || mixed[high] {
				if class, err = c.of(set(uint16(high<<8 | low))); err != nil {
					return err
				}
			}
			t.Class[low<<8|high] = class // as the number lies in a frame
		}
	}
	return nil
}
