//go:build arm || !tamago

package stage

import "strings"

// The two instructions by which Go's arm compiler and assembler open a frame: str lr, [sp, #-size]!.
const (
	openFrame     = 0xe52de000
	openFrameMask = 0xfffff000
)

// prologue bounds how many instructions from a function's entry its frame may be opened at: the stack check before it
// takes three to ten.
const prologue = 16

// chain returns pc and, innermost first, the addresses of the call instructions that led to it. It
// reads each function's prologue for the size of its frame. It ends early, never wrong, at a frame of more than 4,095
// bytes or a function that keeps its return address elsewhere.
//
// r3 is what R3 was: a prologue that finds too little stack leaves its own return address there for runtime.morestack. lr 0 is
// a return address that was lost: where the function at pc has no frame, its caller is what its caller's caller calls.
func chain(m image, pc, sp, lr, r3 uintptr) []uintptr {
	var calls []uintptr
	innermost := true
	for len(calls) < maxChain {
		name, entry, ok := m.Function(pc)
		if name == "mortise/stack/stage.fiqVector" {
			break
		}
		calls = append(calls, pc)

		var size, ret uintptr
		if ok {
			size = frameSize(m, entry, pc)
		}
		switch {
		case strings.HasPrefix(name, "runtime.morestack"):
			// lr is in the prologue of the function that has no frame yet.
			if _, _, ok = m.Function(lr - 4); ok {
				calls = append(calls, lr-4)
			}
			ret = r3
		case size != 0:
			w, ok := m.Load(sp)
			if !ok {
				return calls
			}
			ret = uintptr(w)
			sp += size
		case innermost && lr != 0:
			ret = lr
		case innermost:
			if ret, ok = lostReturn(m, entry, sp); !ok {
				return calls
			}
		default:
			return calls
		}
		innermost = false

		if _, _, ok = m.Function(ret - 4); !ok {
			break
		}
		pc = ret - 4
	}
	return calls
}

// maxBody bounds the search for a call in a function, in instructions.
const maxBody = 4096

// lostReturn returns where the function at entry, which has opened no frame, returns to: into the function whose frame is at
// sp. That one is known by the call that it returns to, and the place in it by the call of entry, if there is only one;
// else the place is its entry.
func lostReturn(m image, entry, sp uintptr) (ret uintptr, ok bool) {
	above, ok := m.Load(sp)
	if !ok {
		return 0, false
	}
	caller, ok := target(m, uintptr(above)-4)
	if !ok {
		return 0, false
	}
	found := uintptr(0)
	for pc := caller; pc < caller+4*maxBody; pc += 4 {
		if _, e, ok := m.Function(pc); !ok || e != caller {
			break
		}
		if t, ok := target(m, pc); !ok || t != entry {
			continue
		}
		if found != 0 {
			return caller + 4, true
		}
		found = pc
	}
	if found == 0 {
		return 0, false
	}
	return found + 4, true
}

// target returns what the instruction at pc calls, if it is a BL (A8.8.25, ARM DDI 0406C).
func target(m image, pc uintptr) (addr uintptr, ok bool) {
	w, ok := m.Load(pc)
	if !ok || w>>24&0xf != 0xb {
		return 0, false
	}
	return pc + 8 + uintptr(int32(w<<8)>>6), true
}

// frameSize returns the size of the frame that the function at entry has opened before it came to pc, 0 for none.
func frameSize(m image, entry, pc uintptr) uintptr {
	for i := uintptr(0); i < prologue; i++ {
		addr := entry + 4*i
		if addr >= pc {
			break
		}
		if w, ok := m.Load(addr); ok && w&openFrameMask == openFrame {
			return uintptr(w &^ openFrameMask)
		}
	}
	return 0
}
