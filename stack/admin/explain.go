package admin

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"

	"mortise/stack/divert"
	"mortise/stack/filter"
	"mortise/stack/filter/bpf/load"
	"mortise/stack/filter/rules/compile"
)

// Explanation is what becomes of a frame that comes in on a device, and why.
type Explanation struct {
	Device  string   `json:"device"`
	Verdict string   `json:"verdict"` // DROP, ACCEPT, SKIP, VLAN; FORWARD where a rule sends it on
	By      string   `json:"by"`      // "diversion", "stage", "rule NAME", "program NAME", "destination" or "ports"
	Why     []string `json:"why"`
}

// ParseFrame reads a frame in hexadecimal digits; spaces, colons and line ends between them do not count.
func ParseFrame(s string) ([]byte, error) {
	s = strings.NewReplacer(" ", "", ":", "", "\t", "", "\n", "", "\r", "").Replace(s)
	b, err := hex.DecodeString(s)
	switch {
	case err != nil:
		return nil, fmt.Errorf("a frame: %w: %w", ErrInvalid, err)
	case len(b) < 14 || len(b) > 1522:
		return nil, fmt.Errorf("a frame of %d bytes: %w, want 14 to 1522, without FCS", len(b), ErrInvalid)
	}
	return b, nil
}

// Explain says what decides on a frame that comes in on a device: who has the device; then, in the order of the oob stage, the first forwarding
// rule that fits, its destination, the device's program, its ports. It runs copies: nothing is counted. While that stage is stopped it says what
// decides when the stage runs, too.
func (a *Admin) Explain(name string, frame []byte) (Explanation, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	dev, d, err := a.device(name)
	if err != nil {
		return Explanation{}, err
	}
	e := Explanation{Device: d.name, Why: []string{}}
	if len(frame) < 14 {
		return e, fmt.Errorf("a frame of %d bytes: %w", len(frame), ErrInvalid)
	}
	switch {
	case !d.diverted.Load():
		e.decide("SKIP", "diversion", d.name+" is not diverted: in-band gets the frame")
	case !divert.Diverted(dev):
		e.Why = append(e.Why, "the oob stage is stopped: in-band gets the frame; when the stage runs again:")
		e.byStage(d, frame)
		e.decide("SKIP", "stage", fmt.Sprintf("that is %s by %s", e.Verdict, e.By))
	default:
		e.byStage(d, frame)
	}
	return e, nil
}

// byStage explains what the oob stage does with the frame.
func (e *Explanation) byStage(d *device, frame []byte) {
	accepted := e.byRules(d, frame)
	if e.Verdict != "" && !accepted {
		return
	}
	if [6]byte(frame) != d.mac && frame[0]&1 == 0 {
		e.decide("DROP", "destination", fmt.Sprintf("it is for another station, %s; %s is %s", macText([6]byte(frame)), d.name, macText(d.mac)))
		return
	}
	if d.filter != nil && !accepted {
		x := d.filter.Program.Explain(frame)
		for i := range x.Steps {
			e.Why = append(e.Why, x.Steps[i].String())
		}
		e.decide(load.VerdictName(x.Verdict), "program "+d.filter.File, x.Why)
		if accepted = x.Verdict == filter.Accept; !accepted && x.Verdict != filter.VLAN {
			return
		}
	}
	e.byPorts(d, frame, accepted)
}

// decide notes what decided.
func (e *Explanation) decide(verdict, by, why string) {
	e.Verdict, e.By = verdict, by
	e.Why = append(e.Why, why)
}

// byRules explains what the device's forwarding rules do; accepted: the verdict of the one that fits is ACCEPT.
func (e *Explanation) byRules(d *device, frame []byte) (accepted bool) {
	if len(d.forward) == 0 {
		return false
	}
	var list []*compile.Rule
	for i := range d.forward {
		list = append(list, d.forward[i].Match)
	}
	x := compile.Explain(list, frame)
	e.Why = append(e.Why, x.Why...)
	if x.Rule >= len(d.forward) {
		return false
	}
	f := &d.forward[x.Rule]
	switch {
	case len(f.To) != 0:
		e.decide("FORWARD", "rule "+f.Name, f.String())
	case f.Match.Verdict == filter.VLAN:
		e.Why = append(e.Why, "its verdict is vlan: what comes behind the rules decides")
	default:
		e.decide(load.VerdictName(f.Match.Verdict), "rule "+f.Name, f.String())
	}
	return len(f.To) == 0 && f.Match.Verdict == filter.Accept
}

// byPorts explains whose frame it is by the VLAN map.
func (e *Explanation) byPorts(d *device, frame []byte, accepted bool) {
	vid, typ, at := uint16(0), binary.BigEndian.Uint16(frame[12:]), 14
	for tags := 0; tags < 2 && (typ == 0x8100 || typ == 0x88a8); tags++ {
		if len(frame) < at+4 {
			e.decide("DROP", "ports", "the frame ends inside a tag")
			return
		}
		vid, typ = binary.BigEndian.Uint16(frame[at:])&0xfff, binary.BigEndian.Uint16(frame[at+2:])
		at += 4
	}
	if typ == 0x8100 || typ == 0x88a8 || at == 22 && vid == 0 {
		e.decide("SKIP", "ports", "the frame has more than two tags, or a priority tag inside another")
		return
	}
	tag := "it has no tag"
	if vid != 0 {
		tag = fmt.Sprintf("its VLAN ID is %d", vid)
	}
	for _, p := range d.ports {
		if p.vid != vid || !p.enabled.Load() {
			continue
		}
		takes := p.accepts
		if accepted || !p.rules {
			takes = "all IPv4"
		}
		why := fmt.Sprintf("%s: oob port %s, which takes %s, ARP and ICMP echo for %v", tag, p.name, takes, p.address.Addr())
		if e.Verdict == "" || e.Verdict == "VLAN" {
			e.decide("VLAN", "ports", why)
		} else {
			e.Why = append(e.Why, why)
		}
		return
	}
	if d.vlans.Has(vid) {
		e.Why = append(e.Why, tag+": the device's VLAN rule has it, and nothing claims its IPv4")
		e.Verdict, e.By = "VLAN", "ports"
		return
	}
	e.decide("SKIP", "ports", tag+", and no oob port is on it: in-band gets the frame")
}
