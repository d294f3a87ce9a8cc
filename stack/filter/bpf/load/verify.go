package load

import (
	"fmt"
	"math"

	"mortise/stack/filter/bpf"
)

// Limits of the verifier's own work: a program that needs more is refused.
const (
	maxVisits = 1 << 16 // instructions looked at, on all paths
	maxKept   = 1 << 11 // states remembered, some 3 kB each
)

// state is what is known at an instruction: of the registers, and of the stack by words of eight bytes. A word of the stack
// that was written as a whole has its value in slot; of others, init has the bytes that were written.
type state struct {
	reg  [11]value
	slot [bpf.StackSize / 8]value
	init [bpf.StackSize / 8]uint8
}

// in reports whether whatever may happen from s on, may from t on.
func (s *state) in(t *state) bool {
	for i := range s.reg {
		if !s.reg[i].in(t.reg[i]) {
			return false
		}
	}
	for i := range s.slot {
		if t.init[i]&^s.init[i] != 0 || !s.slot[i].in(t.slot[i]) {
			return false
		}
		if t.slot[i].kind == nothing && t.init[i] != 0 && s.slot[i].kind > scalar {
			return false // an address is no bytes
		}
	}
	return true
}

// fact is what was found out about an instruction, on all paths: the translation relies on it.
type fact struct {
	seen bool
	wide bool // the instruction needs its 64 bits
	kind kind // of the address of an access
	slot int  // of an access to a whole word of the stack at one place: its number and 1; 0 unknown, -1 it varies
	from int  // where a helper counts from: callMAC, callNet
}

// verifier follows all paths through a program.
type verifier struct {
	insns  []insn
	facts  []fact
	joins  []bool // more than one instruction goes on here
	live   []uint16
	kept   [][]memory // by join
	visits int
	states int
}

// memory is a state from which the rest of the program was followed, and the most steps that it takes.
type memory struct {
	state state
	steps int
}

// verify reports why the program is not accepted, nil when it is: all paths end, within bpf.MaxSteps steps.
func (v *verifier) verify() (steps int, r *Refusal) {
	if r := v.graph(); r != nil {
		return 0, r
	}
	start := &state{}
	start.reg[1] = value{kind: context}
	start.reg[10] = value{kind: stack, zeros: 9, min: bpf.StackSize, max: bpf.StackSize}
	return v.walk(0, start, 0)
}

func refuse(pc int, format string, args ...any) *Refusal {
	return &Refusal{Insn: pc, Why: fmt.Sprintf(format, args...)}
}

// walk follows the program from pc on in state s, which becomes its own, used steps after the start. It returns the most
// steps that any path takes from here.
func (v *verifier) walk(pc int, s *state, used int) (steps int, r *Refusal) {
	if !v.joins[pc] {
		return v.path(pc, s, used)
	}
	for i := range v.kept[pc] {
		if m := &v.kept[pc][i]; s.in(&m.state) {
			if used+m.steps > bpf.MaxSteps {
				return 0, tooLong(pc)
			}
			return m.steps, nil
		}
	}
	for i := range s.reg {
		if v.live[pc]>>i&1 == 0 && i != 10 {
			s.reg[i] = value{}
		}
	}
	if v.states == maxKept {
		return v.path(pc, s, used)
	}
	begin := *s
	if steps, r = v.path(pc, s, used); r == nil && v.states < maxKept {
		v.states++
		v.kept[pc] = append(v.kept[pc], memory{begin, steps})
	}
	return steps, r
}

// path is walk up to the next join or branch, from where walk goes on. Each call takes a step, so their depth is bounded.
func (v *verifier) path(pc int, s *state, used int) (steps int, r *Refusal) {
	for {
		if v.visits++; v.visits > maxVisits {
			return 0, refuse(pc, "there are too many different paths to here: more than %d instructions to look at", maxVisits)
		}
		v.facts[pc].seen = true
		cost, r := v.execute(pc, s)
		if r != nil {
			return 0, r
		}
		steps += cost
		if used += cost; used > bpf.MaxSteps {
			return 0, tooLong(pc)
		}
		taken, next := v.ways(pc)
		switch {
		case taken < 0 && next < 0:
			return steps, nil
		case taken >= 0 && next >= 0:
			here, there := *s, *s
			canFall, canJump := v.branch(pc, &v.insns[pc], &here, &there)
			most := 0
			if canJump {
				if most, r = v.walk(taken, &there, used); r != nil {
					return 0, r
				}
			}
			if canFall {
				rest, r := v.walk(next, &here, used)
				if r != nil {
					return 0, r
				}
				most = max(most, rest)
			}
			return steps + most, nil
		case taken >= 0:
			pc = taken
		default:
			pc = next
		}
		if v.joins[pc] {
			rest, r := v.walk(pc, s, used)
			return steps + rest, r
		}
	}
}

func tooLong(pc int) *Refusal {
	return refuse(pc, "a path through here takes more than %d steps: a loop without a bound, or too long a one", bpf.MaxSteps)
}

// branch narrows the states behind a conditional jump, and reports which ways can be gone.
func (v *verifier) branch(pc int, in *insn, here, there *state) (canFall, canJump bool) {
	op := in.op & 0xf0
	a, b := here.reg[in.dst], number(uint64(int64(in.imm)))
	if in.op&bySource != 0 {
		b = here.reg[in.src]
	}
	if in.width() == 32 {
		if in.op&bySource == 0 {
			b = b.low()
		}
		most := uint64(math.MaxUint32)
		if op == jmpJSGT || op == jmpJSGE || op == jmpJSLT || op == jmpJSLE {
			most = math.MaxInt32
		}
		if a.max > most || b.max > most {
			return true, true
		}
	} else {
		// The comparison of the low words alone is the same where the high ones are zero.
		if !a.small() || !b.small() {
			v.facts[pc].wide = true
		}
	}
	x, y, canJump := compare(op, a, b, true)
	there.reg[in.dst] = x
	if in.op&bySource != 0 {
		there.reg[in.src] = y
	}
	x, y, canFall = compare(op, a, b, false)
	here.reg[in.dst] = x
	if in.op&bySource != 0 {
		here.reg[in.src] = y
	}
	return canFall, canJump
}
