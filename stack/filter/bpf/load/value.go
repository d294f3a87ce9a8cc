package load

import (
	"fmt"
	"math"
	"math/bits"
)

// kind is what a register or a stack word holds.
type kind uint8

const (
	nothing kind = iota // never written on this path
	scalar              // a number from min to max
	context             // the program's argument
	stack               // an address in the stack, min to max bytes from its lowest
)

var kindNames = [...]string{"was never written", "is a number", "is the context", "is an address of the stack"}

// value is what is known of a register. zeros low bits are 0.
type value struct {
	kind     kind
	zeros    uint8
	min, max uint64
}

const all = math.MaxUint64

var unknown = value{kind: scalar, max: all}

func number(v uint64) value { return value{scalar, uint8(bits.TrailingZeros64(v)), v, v} }

// upTo is a number that is not larger than most.
func upTo(most uint64) value { return value{kind: scalar, max: most} }

func (v value) known() bool { return v.kind == scalar && v.min == v.max }

// small reports whether v's high 32 bits are zero.
func (v value) small() bool { return v.max <= math.MaxUint32 }

// in reports whether everything v may be, w may be too.
func (v value) in(w value) bool {
	if w.kind == nothing {
		return true
	}
	return v.kind == w.kind && w.min <= v.min && v.max <= w.max && v.zeros >= w.zeros
}

// low is v's low 32 bits as a number.
func (v value) low() value {
	switch {
	case v.small():
		return v
	case v.known():
		return number(uint64(uint32(v.min)))
	}
	return value{scalar, min(v.zeros, 32), 0, math.MaxUint32}
}

func (v value) String() string {
	if v.known() {
		return fmt.Sprint(int64(v.min))
	}
	return fmt.Sprintf("%d to %d", v.min, v.max)
}

// alu returns a op b of width 64 or 32. What is not known exactly is bounded from what is.
func alu(op uint8, a, b value, width int) value {
	if width == 32 {
		a, b = a.low(), b.low()
	}
	mask := uint64(width - 1)
	r := unknown
	switch op {
	case aluMov:
		r = b
	case aluAdd:
		r = add(a, b)
	case aluSub:
		if a.min >= b.max {
			r.min, r.max = a.min-b.max, a.max-b.min
		}
		if a.known() && b.known() {
			r.min, r.max = a.min-b.min, a.min-b.min
		}
		r.zeros = min(a.zeros, b.zeros)
	case aluMul:
		if hi, lo := bits.Mul64(a.max, b.max); hi == 0 {
			r.min, r.max = a.min*b.min, lo
		}
		if a.known() && b.known() {
			r.min, r.max = a.min*b.min, a.min*b.min
		}
		r.zeros = min(a.zeros+b.zeros, 63)
	case aluAnd:
		r.max = min(a.max, b.max)
		r.zeros = max(a.zeros, b.zeros)
		if a.known() && b.known() {
			return number(a.min & b.min)
		}
	case aluOr, aluXor:
		r.max = 1<<bits.Len64(a.max|b.max) - 1
		r.zeros = min(a.zeros, b.zeros)
		if op == aluOr {
			r.min = max(a.min, b.min)
		}
		if a.known() && b.known() {
			if op == aluOr {
				return number(a.min | b.min)
			}
			return number(a.min ^ b.min)
		}
	case aluLsh:
		if !b.known() {
			r.zeros = a.zeros
			break
		}
		k := b.min & mask
		if a.max<<k>>k == a.max {
			r.min, r.max = a.min<<k, a.max<<k
		}
		if a.known() {
			r.min, r.max = a.min<<k, a.min<<k
		}
		r.zeros = min(a.zeros+uint8(k), 63)
	case aluRsh, aluArsh:
		if op == aluArsh && a.max>>mask != 0 {
			if a.known() && b.known() {
				if width == 32 {
					return number(uint64(uint32(int32(a.min) >> (b.min & mask))))
				}
				return number(uint64(int64(a.min) >> (b.min & mask)))
			}
			break
		}
		r.max = a.max
		if b.known() {
			r.min, r.max = a.min>>(b.min&mask), a.max>>(b.min&mask)
		}
	case aluDiv:
		r.max = a.max
		if b.known() && b.min != 0 {
			r.min, r.max = a.min/b.min, a.max/b.min
		}
	case aluMod:
		r.max = a.max
		if b.min > 0 {
			r.max = min(a.max, b.max-1)
		}
	case aluNeg:
		if a.known() {
			r = number(-a.min)
		}
		r.zeros = a.zeros
	}
	if r.known() {
		r.zeros = uint8(bits.TrailingZeros64(r.min))
	}
	if width == 32 {
		r = r.low()
	}
	return r
}

// add returns a + b. A constant with its highest bit set is taken as negative, so that x - 1 stays bounded.
func add(a, b value) value {
	r := unknown
	r.zeros = min(a.zeros, b.zeros)
	if a.known() && b.known() {
		return number(a.min + b.min)
	}
	if a.known() {
		a, b = b, a
	}
	if minus := -b.min; b.known() && int64(b.min) < 0 {
		if a.min >= minus {
			r.min, r.max = a.min-minus, a.max-minus
		}
		return r
	}
	if sum, carry := bits.Add64(a.max, b.max, 0); carry == 0 {
		r.min, r.max = a.min+b.min, sum
	}
	return r
}

// compare returns what is known of a and b when a op b is taken, resp. not; ok is false when that cannot be.
func compare(op uint8, a, b value, taken bool) (x, y value, ok bool) {
	const top = math.MaxInt64
	switch op {
	case jmpJEQ, jmpJNE:
		if (op == jmpJEQ) == taken {
			lo, hi := max(a.min, b.min), min(a.max, b.max)
			if lo > hi {
				return a, b, false
			}
			a.min, a.max, b.min, b.max = lo, hi, lo, hi
			return a, b, true
		}
		if a.known() && b.known() {
			return a, b, a.min != b.min
		}
		if b.known() {
			a = without(a, b.min)
		}
		if a.known() {
			b = without(b, a.min)
		}
		return a, b, true
	case jmpJGT, jmpJLE:
		return greater(a, b, (op == jmpJGT) == taken)
	case jmpJLT, jmpJGE:
		y, x, ok = greater(b, a, (op == jmpJLT) == taken)
		return x, y, ok
	case jmpJSGT, jmpJSLE, jmpJSLT, jmpJSGE:
		if a.max <= top && b.max <= top { // as unsigned
			return compare([16]uint8{6: jmpJGT, 7: jmpJGE, 12: jmpJLT, 13: jmpJLE}[op>>4], a, b, taken)
		}
		above := op == jmpJSGT && taken || op == jmpJSLE && !taken || op == jmpJSGE && taken || op == jmpJSLT && !taken
		if above && b.max <= top { // larger than a number that is not negative
			least := b.min
			if op == jmpJSGT || op == jmpJSLE {
				least++
			}
			a.min, a.max = max(a.min, least), min(a.max, top)
			return a, b, a.min <= a.max
		}
		if a.known() && b.known() {
			less, equal := int64(a.min) < int64(b.min), a.min == b.min
			is := map[uint8]bool{jmpJSGT: !less && !equal, jmpJSGE: !less, jmpJSLT: less, jmpJSLE: less || equal}[op]
			return a, b, is == taken
		}
	case jmpJSET:
		if a.known() && b.known() {
			return a, b, (a.min&b.min != 0) == taken
		}
		if a.max&b.max == 0 && (a.max == 0 || b.max == 0) {
			return a, b, !taken
		}
	}
	return a, b, true
}

// greater narrows a and b to a > b, or to a <= b.
func greater(a, b value, is bool) (x, y value, ok bool) {
	if is {
		if b.min == all || a.max == 0 {
			return a, b, false
		}
		a.min, b.max = max(a.min, b.min+1), min(b.max, a.max-1)
	} else {
		a.max, b.min = min(a.max, b.max), max(b.min, a.min)
	}
	return a, b, a.min <= a.max && b.min <= b.max
}

// without takes n out of v where it is an end.
func without(v value, n uint64) value {
	if v.known() {
		return v
	}
	if v.min == n {
		v.min++
	} else if v.max == n {
		v.max--
	}
	return v
}
