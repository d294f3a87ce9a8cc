package admin

import (
	"encoding/hex"
	"fmt"
	"strings"

	"mortise/stack/divert"
	"mortise/stack/filter"
	"mortise/stack/filter/bpf/load"
	"mortise/stack/filter/rules/compile"
	"mortise/stack/forward"
	"mortise/stack/frame"
	"mortise/stack/oob"
	"mortise/stack/wire"
)

// Explanation is what becomes of a frame that comes in on a device, and why.
type Explanation struct {
	Device  string   `json:"device"`
	Verdict string   `json:"verdict"` // DROP, ACCEPT, SKIP; FORWARD where a rule sends it on
	By      string   `json:"by"`      // "diversion", "stage", "rule NAME", "program NAME", "destination", "ports" or "port NAME"
	Counter string   `json:"counter"` // of the oob stage, that would move; "": it does not see the frame
	Why     []string `json:"why"`
}

// A frame's length in bytes, without FCS.
const (
	minFrame = wire.EthernetLen
	maxFrame = frame.MaxLen
)

// ParseFrame reads a frame in hexadecimal digits; spaces, colons and line ends between them do not count.
func ParseFrame(s string) ([]byte, error) {
	s = strings.NewReplacer(" ", "", ":", "", "\t", "", "\n", "", "\r", "").Replace(s)
	b, err := hex.DecodeString(s)
	switch {
	case err != nil:
		return nil, fmt.Errorf("a frame: %w: %w", ErrInvalid, err)
	case len(b) < minFrame || len(b) > maxFrame:
		return nil, fmt.Errorf("a frame of %d bytes: %w, want %d to %d, without FCS", len(b), ErrInvalid, minFrame, maxFrame)
	}
	return b, nil
}

// Explain says what decides on a frame that comes in on a device: who has the device; then, in the order of the oob stage, the first forwarding
// rule that fits, its destination, the device's program, its ports and who takes what comes there. It runs copies: nothing is counted. While that stage is stopped it says what
// decides when the stage runs, too.
func (a *Admin) Explain(name string, frame []byte) (Explanation, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	dev, d, err := a.device(name)
	if err != nil {
		return Explanation{}, err
	}
	e := Explanation{Device: d.name, Why: []string{}}
	if len(frame) < minFrame || len(frame) > maxFrame {
		return e, fmt.Errorf("a frame of %d bytes: %w", len(frame), ErrInvalid)
	}
	switch {
	case !d.diverted.Load():
		e.decide("SKIP", "diversion", d.name+" is not diverted: in-band gets the frame")
	case !divert.Diverted(dev):
		e.Why = append(e.Why, "the oob stage is stopped: in-band gets the frame; when the stage runs again:")
		a.byStage(&e, dev, d, frame)
		e.decide("SKIP", "stage", fmt.Sprintf("that is %s by %s", e.Verdict, e.By))
		e.Counter = ""
	default:
		a.byStage(&e, dev, d, frame)
	}
	return e, nil
}

// byStage explains what the oob stage does with the frame.
func (a *Admin) byStage(e *Explanation, dev uint32, d *device, frame []byte) {
	accepted := e.byRules(d, frame)
	if e.Verdict != "" && !accepted {
		return
	}
	if [6]byte(frame) != d.mac && frame[0]&1 == 0 {
		e.decide("DROP", "destination", fmt.Sprintf("it is for another station, %s; %s is %s", macText([6]byte(frame)), d.name, macText(d.mac)))
		e.Counter = oob.CounterNames[oob.ForeignMAC]
		return
	}
	if d.filter != nil && !accepted {
		x := d.filter.Program.Explain(frame)
		for i := range x.Steps {
			e.Why = append(e.Why, x.Steps[i].String())
		}
		e.decide(load.VerdictName(x.Verdict), "program "+d.filter.File, x.Why)
		e.Counter = counterOf(x.Verdict, oob.ProgramDrop, oob.InbandProgram)
		if accepted = x.Verdict == filter.Accept; !accepted && x.Verdict != filter.VLAN {
			return
		}
	}
	a.byPorts(e, dev, d, frame, accepted)
}

// decide notes what decided.
func (e *Explanation) decide(verdict, by, why string) {
	e.Verdict, e.By = verdict, by
	e.Why = append(e.Why, why)
}

// counterOf returns the name of the counter of a verdict, which has the last word or not.
func counterOf(v filter.Verdict, drop, skip int) string {
	switch v {
	case filter.Drop:
		return oob.CounterNames[drop]
	case filter.Skip:
		return oob.CounterNames[skip]
	}
	return ""
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
		e.Counter = oob.CounterNames[oob.Forwarded]
		if r := &d.ruling.compiled.Rule[x.Rule]; r.Outs == 1 && r.Out[0].Ops&forward.Push != 0 && len(frame) > maxFrame-wire.TagLen {
			e.decide("DROP", "rule "+f.Name, "with the tag that it pushes it is too long")
			e.Counter = oob.CounterNames[oob.ForwardLong]
		}
	case f.Match.Verdict == filter.VLAN:
		e.Why = append(e.Why, "its verdict is vlan: what comes behind the rules decides")
	default:
		e.decide(load.VerdictName(f.Match.Verdict), "rule "+f.Name, f.String())
		e.Counter = counterOf(f.Match.Verdict, oob.RuleDrop, oob.InbandRule)
	}
	return len(f.To) == 0 && f.Match.Verdict == filter.Accept
}
