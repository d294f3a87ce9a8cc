package bpf

import "unsafe"

// slow executes the instruction at pc if steps are enough: a division, or a helper that copies. It returns the steps that are
// left behind it; ok is false when there were too few, or a copy would leave the stack.
//
//go:nocheckptr
//oob:stage any
func (p *Program) slow(addr uintptr, n, pc, steps uint32) (left uint32, ok bool) {
	lo := (*[2 * Words]uint32)(unsafe.Pointer(&p.file))
	hi := (*[2 * Words]uint32)(unsafe.Pointer(&p.file[1]))
	w := p.code[pc%MaxInsns].W
	if w < uint32(Mov64)<<opShift {
		if steps <= DivSteps {
			return 0, false
		}
		q, r := divide(lo[dst(w)], lo[src(w)])
		if w >= uint32(Mod)<<opShift {
			q = r
		}
		lo[dst(w)], hi[dst(w)] = q, 0
		return steps - 1 - DivSteps, true
	}
	skip := p.base
	if w >= uint32(LoadFrame)<<opShift {
		skip = 0
	}
	off, to, size := lo[2*2], lo[2*3], lo[2*4]
	if size > StackSize || to > StackSize-size {
		return 0, false
	}
	cost := (size + 3) / 4
	if steps <= cost {
		return 0, false
	}
	at := uintptr(unsafe.Pointer(&p.file[2*StackWord])) + uintptr(to)
	if off >= n || size > n || off+skip > n-size {
		lo[0], hi[0] = ^uint32(13), ^uint32(0) // -EFAULT
		zero(at, size)
	} else {
		lo[0], hi[0] = 0, 0
		move(at, addr+uintptr(off+skip), size)
	}
	return steps - 1 - cost, true
}

// divide returns the quotient and the rest of a by b, bit by bit: the compiler's division is a call of the run-time system.
// By 0 they are 0 and a: 4.1, RFC 9669.
//
//oob:stage any
func divide(a, b uint32) (q, r uint32) {
	if b == 0 {
		return 0, a
	}
	for i := uint32(0); i < 32; i++ { //oob:total MaxSteps*32/DivSteps bpf.(*Program).Run each division takes more than DivSteps
		carry := r >> 31
		r = r<<1 | a>>31
		a <<= 1
		q <<= 1
		if carry != 0 || r >= b {
			r -= b
			q |= 1
		}
	}
	return q, r
}

// zero clears size bytes at addr.
//
//go:nocheckptr
//oob:stage any
func zero(addr uintptr, size uint32) {
	for ; size != 0; size-- { //oob:total MaxSteps*4 bpf.(*Program).Run each step pays for four bytes
		*(*byte)(unsafe.Add(nil, addr)) = 0
		addr++
	}
}

// move copies size bytes, by words where both addresses allow.
//
//go:nocheckptr
//oob:stage any
func move(to, from uintptr, size uint32) {
	if (from|to)&3 == 0 {
		for ; size >= 4; size -= 4 { //oob:total MaxSteps bpf.(*Program).Run each step pays for four bytes
			*(*uint32)(unsafe.Add(nil, to)) = *(*uint32)(unsafe.Add(nil, from))
			to += 4
			from += 4
		}
	}
	for ; size != 0; size-- { //oob:total MaxSteps*4 bpf.(*Program).Run each step pays for four bytes
		*(*byte)(unsafe.Add(nil, to)) = *(*byte)(unsafe.Add(nil, from))
		to++
		from++
	}
}
