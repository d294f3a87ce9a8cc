package oob

import (
	"unsafe"

	"mortise/stack/core"
	"mortise/stack/filter"
	"mortise/stack/filter/bpf"
	"mortise/stack/filter/rules"
	"mortise/stack/forward"
	"mortise/stack/wire"
)

// What admit says beside an action: the frame goes on, to the ports as they are, or to ports that accept all.
const (
	proceed  = ^uint32(0)
	accepted = ^uint32(1)
	sentOn   = ^uint32(2) // or is sent on by a rule, the number of which comes along
	consumed = ^uint32(3) // or is a raw socket's, on a port whose index comes along
)

// admit decides on a frame that is not plainly for the device: by the rules and programs that come ahead of everything else, if
// there are any, then by its destination. rest is how many bytes follow its Ethernet header,
// or the rule's number.
//
//oob:stage oob
//go:nosplit
func (d *device) admit(addr uintptr, n uint32) (action, rest uint32) {
	on := proceed
	if d.rules != 0 {
		c := (*forward.Classifier)(unsafe.Add(nil, d.rules))
		i := uint32(0)
		if c.Table.HasOne != 0 {
			i = c.Table.MatchOne(addr, n)
		} else {
			i = c.Table.Match(addr, n)
		}
		if i < rules.Max {
			r := &c.Rule[i]
			core.Counting = r.Tally
			if r.Outs == 1 {
				return sentOn, i
			}
			if on = d.judge(r, i); on < accepted {
				return on, 0
			}
		}
	}
	e := wire.EthernetAt(addr)
	if dst0 := e.Dst0; (e.Dst2 != d.mac2 || dst0>>16 != d.mac0) && dst0&wire.Group == 0 {
		return d.drop(ForeignMAC), 0
	}
	if d.program != 0 && on != accepted {
		if on = d.ask(addr, n); on < accepted {
			return on, 0
		}
	}
	if d.consuming != 0 {
		if i, ok := d.consumes(addr, n, on == accepted); ok {
			return consumed, i
		}
	}
	return on, n - wire.EthernetLen
}

// ask has the device's program judge a frame.
//
//oob:stage oob
//go:noinline
func (d *device) ask(addr uintptr, n uint32) uint32 {
	p := (*bpf.Program)(unsafe.Add(nil, d.program))
	v := p.Run(addr, n)
	steps := p.Steps()
	d.judged.Verdicts[v&3]++
	d.judged.Steps += steps
	if steps > d.judged.Longest {
		d.judged.Longest = steps
	}
	switch v {
	case filter.Drop:
		return d.drop(ProgramDrop)
	case filter.Skip:
		return d.skip(InbandProgram)
	case filter.Accept:
		return accepted
	}
	return proceed
}

// Frames is core.Frames: a program's steps in an activation are bounded.
//
//oob:stage inband
//go:linkname Frames mortise/stack/core.Frames
func Frames(dev Device, most uint32) uint32 {
	d := (*device)(unsafe.Add(nil, dev))
	if d.program == 0 {
		return most
	}
	return (*bpf.Program)(unsafe.Add(nil, d.program)).Frames(most)
}

// sendOn changes a frame for the one destination of rule i, and says so.
//
//oob:stage oob
//go:nosplit
func (d *device) sendOn(addr uintptr, n, i uint32) uint32 {
	c := (*forward.Classifier)(unsafe.Add(nil, d.rules))
	action := c.Rule[i%rules.Max].Out[0].Apply(addr, n)
	if action == core.Drop {
		core.Count()
		return d.drop(ForwardLong)
	}
	d.count[Forwarded]++
	return action
}

// judge decides by rule number i, one that does not send the frame on to one device.
//
//oob:stage oob
//go:noinline
func (d *device) judge(r *forward.Rule, i uint32) uint32 {
	if r.Outs > 1 {
		d.fanned = i
		d.count[Forwarded]++
		return core.Fan | r.Outs<<16 | r.Plain
	}
	core.Count()
	switch r.Verdict {
	case filter.Drop:
		return d.drop(RuleDrop)
	case filter.Skip:
		return d.skip(InbandRule)
	case filter.Accept:
		return accepted
	}
	return proceed
}

// Copy is core.Copy: the frame is changed for destination i of the rule that it fitted.
//
//oob:stage oob
//go:linkname Copy mortise/stack/core.Copy
func Copy(dev Device, i uint32, addr uintptr, n uint32) uint32 {
	d := (*device)(unsafe.Add(nil, dev))
	if d.rules == 0 {
		return core.Drop
	}
	c := (*forward.Classifier)(unsafe.Add(nil, d.rules))
	return c.Rule[d.fanned%rules.Max].Out[i%forward.MaxOuts].Apply(addr, n)
}
