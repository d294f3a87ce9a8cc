// Package plan makes package forward's Classifiers of a configuration's rules.
//
// Stage: in-band, and the host. Follows: package forward's documents. Does not support: changing one rule of a Classifier.
package plan

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"

	"mortise/stack/filter/rules/compile"
	"mortise/stack/forward"
	"mortise/stack/gateway"
	"mortise/stack/wire"
)

// Classifier returns the rules for what comes in on device number dev, nil when it has none.
func Classifier(t *gateway.Tables, dev int) (*forward.Classifier, error) {
	list := t.Devices[dev].Forward
	if len(list) == 0 {
		return nil, nil
	}
	c := new(forward.Classifier)
	match := make([]*compile.Rule, len(list))
	for i := range list {
		match[i] = list[i].Match
	}
	// Too many rules are refused here, before there is no place for one.
	if err := compile.Compile(&c.Table, match); err != nil {
		return nil, fmt.Errorf("forwarding rules of %s: %w", t.Devices[dev].Name, err)
	}
	for i := range list {
		r := &c.Rule[i]
		r.Verdict = list[i].Match.Verdict
		if len(list[i].To) > len(r.Out) {
			return nil, fmt.Errorf("forwarding rule %s: %d destinations: at most %d are taken", list[i].Name, len(list[i].To), len(r.Out))
		}
		for j := range list[i].To {
			o, err := out(t, &list[i].To[j])
			if err != nil {
				return nil, fmt.Errorf("forwarding rule %s: %w", list[i].Name, err)
			}
			r.Out[j], r.Outs = o, uint32(j+1)
		}
	}
	return c, nil
}

// out returns a destination as the oob stage has it.
func out(t *gateway.Tables, d *gateway.Destination) (o forward.Out, err error) {
	n := slices.IndexFunc(t.Devices, func(x gateway.DeviceTable) bool { return x.Name == d.Device })
	if n < 0 {
		return o, fmt.Errorf("no device %s", d.Device)
	}
	o.Dev = uint32(n)
	switch {
	case d.Push != nil:
		o.Ops = forward.Push
		o.TPID = wire.Swap16(uint32(d.Push.TPID))
		o.TCI = tci(d.Push.VID, d.Push.PCP)
	case d.Pop:
		o.Ops = forward.Pop
	}
	if d.VID != nil {
		o.Ops |= forward.Rewrite
		o.TCI, o.Mask = o.TCI|tci(*d.VID, 0), o.Mask|tci(0xfff, 0)
	}
	if d.PCP != nil {
		o.Ops |= forward.Rewrite
		o.TCI, o.Mask = o.TCI|tci(0, *d.PCP), o.Mask|tci(0, 7)
	}
	if d.DstMAC != nil {
		o.Ops |= forward.SetDstMAC
		o.DstMAC0, o.DstMAC4 = words(d.DstMAC)
	}
	if d.SrcMAC != nil {
		o.Ops |= forward.SetSrcMAC
		o.SrcMAC0, o.SrcMAC4 = words(d.SrcMAC)
	}
	if d.Src.IsValid() {
		o.Ops |= forward.SetSrc
		o.Src = address(d.Src)
	}
	if d.Dst.IsValid() {
		o.Ops |= forward.SetDst
		o.Dst = address(d.Dst)
	}
	if d.SrcPort != 0 || d.DstPort != 0 {
		o.Ops |= forward.SetPorts
		o.Ports = wire.Swap32(uint32(d.SrcPort)<<16 | uint32(d.DstPort))
		if d.SrcPort != 0 {
			o.PortMask |= wire.Swap32(0xffff << 16)
		}
		if d.DstPort != 0 {
			o.PortMask |= wire.Swap32(0xffff)
		}
	}
	return o, nil
}

// tci returns a tag's second half in wire order.
func tci(vid uint16, pcp uint8) uint32 { return wire.Swap16(uint32(vid) | uint32(pcp)<<13) }

// words returns a MAC address's bytes 0 to 3, and 4 and 5.
func words(m *gateway.MAC) (four, two uint32) {
	return binary.LittleEndian.Uint32(m[:4]), uint32(binary.LittleEndian.Uint16(m[4:]))
}

func address(a netip.Addr) uint32 {
	b := a.As4()
	return binary.LittleEndian.Uint32(b[:])
}
