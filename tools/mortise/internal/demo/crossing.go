package demo

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"mortise/stack/filter/rules/compile"
	"mortise/stack/gateway"
	"mortise/tools/packet"
)

// crossing is what a rule that forwards frames by an EtherType is measured with.
type crossing struct {
	header    []byte // of a frame that fits the rule
	etherType uint16
	out       int // port of the board where it leaves
}

// Configuration returns the text of the configuration that the demo is for: gateway.toml of the module at root, and behind it the
// rules of forward.toml, unless it forwards frames itself.
func Configuration(root string) ([]byte, error) {
	text, err := os.ReadFile(filepath.Join(root, "gateway.toml"))
	if err != nil || bytes.Contains(text, []byte("\n[[forward]]")) {
		return text, err
	}
	rules, err := os.ReadFile(filepath.Join(root, "forward.toml"))
	return slices.Concat(text, []byte("\n"), rules), err
}

// crossings finds the rules that forward frames of an EtherType that is not IP's from one port of the board to another, and makes
// a frame for each. Of a rule with several destinations the first one is looked at.
func crossings(c *gateway.Config) (flows []oobFlow) {
	ports := map[string]int{}
	earlier := map[string][]*compile.Rule{} // by device: the rules so far
	marks := map[string]string{}
	for i := range c.Devices {
		ports[c.Devices[i].Name] = controllerIndex(c.Devices[i].Controller)
		marks[c.Devices[i].Name] = markOf(&c.Devices[i])
	}
	for i := range c.Forward {
		f := &c.Forward[i]
		earlier[f.From] = append(earlier[f.From], f.Match)
		if len(f.To) == 0 || len(f.Match.EtherTypes) == 0 || ports[f.From] < 0 || ports[f.To[0].Device] < 0 {
			continue
		}
		x := &crossing{etherType: f.Match.EtherTypes[0], out: ports[f.To[0].Device]}
		x.header = headerFor(f.Match, peerMAC(ports[f.From]))
		list := earlier[f.From]
		if x.etherType == packet.TypeIPv4 || x.etherType == packet.TypeARP || x.out == ports[f.From] ||
			compile.Explain(list, x.frame(probe{})).Rule != len(list)-1 {
			continue
		}
		flows = append(flows, oobFlow{name: fmt.Sprintf("forward %s → %s", f.From, f.To[0].Device) + max(marks[f.From], marks[f.To[0].Device]), port: ports[f.From], crosses: x})
	}
	return flows
}

// headerFor returns the header of a frame that fits r.
func headerFor(r *compile.Rule, from packet.MAC) []byte {
	to := packet.MAC{0x01, 0x0e, 0xcf, 0, 0, 0} // a group: PROFINET's
	if r.DstMAC != nil {
		to = *r.DstMAC
	}
	if r.SrcMAC != nil {
		from = *r.SrcMAC
	}
	b := append(to[:], from[:]...)
	tci := uint16(0)
	for pcp := range uint16(8) {
		if r.PCP>>pcp&1 != 0 {
			tci = pcp << 13
		}
	}
	for vid := range uint16(1 << 12) {
		if r.VLANs != nil && r.VLANs.Has(vid) {
			tci |= vid
			break
		}
	}
	if tci != 0 {
		b = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(b, packet.TypeVLAN), tci)
	}
	return binary.BigEndian.AppendUint16(b, r.EtherTypes[0])
}

// frame returns a frame that carries p.
func (x *crossing) frame(p probe) []byte {
	return append(append([]byte(nil), x.header...), p.cyclic()...)
}

// parseCyclic returns the probe in a frame of no protocol but its EtherType's.
func parseCyclic(frame []byte) (p probe, etherType uint16, ok bool) {
	f, ok := packet.Parse(frame)
	if !ok || len(f.Body) < cyclicBytes {
		return p, 0, false
	}
	p, ok = parseHead(f.Body)
	return p, f.EtherType, ok
}
