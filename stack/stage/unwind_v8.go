//go:build arm64 || !tamago

package stage

import "strings"

// setFrame is the instruction that ends the opening of a frame in Go's arm64 compiler and assembler: sub x29, sp, #8. The
// frame pointer is then the address of the caller's, with the return address above it.
const setFrame = 0xd10023fd

// prologueV8 bounds how many instructions from a function's entry its frame may be opened at: a stack check for a large frame
// takes twelve.
const prologueV8 = 24

// chainV8 returns pc and, innermost first, the addresses of the call instructions that led to it, by the frame pointers. It
// ends early, never wrong, where a function in assembly keeps no frame pointer.
//
// x3 is what X3 was: a prologue that finds too little stack leaves its own return address there for runtime.morestack.
func chainV8(m image, pc, fp, lr, x3 uintptr) []uintptr {
	var calls []uintptr
	for len(calls) < maxChain {
		name, entry, ok := m.Function(pc)
		if name == "mortise/stack/stage.fiqVector" {
			break
		}
		calls = append(calls, pc)

		var ret uintptr
		switch innermost := len(calls) == 1; {
		case innermost && strings.HasPrefix(name, "runtime.morestack"):
			// lr is in the prologue of the function that has no frame yet.
			if _, _, ok = m.Function(lr - 4); ok {
				calls = append(calls, lr-4)
			}
			ret = x3
		case innermost && !(ok && hasFrame(m, entry, pc)):
			ret = lr
		default:
			if ret, ok = load64(m, fp+8); !ok {
				return calls
			}
			if fp, ok = load64(m, fp); !ok {
				return calls
			}
		}
		if _, _, ok = m.Function(ret - 4); !ok {
			break
		}
		pc = ret - 4
	}
	return calls
}

// hasFrame reports whether the function at entry has opened its frame before it came to pc.
func hasFrame(m image, entry, pc uintptr) bool {
	for i := uintptr(0); i < prologueV8; i++ {
		addr := entry + 4*i
		if addr >= pc {
			break
		}
		if w, ok := m.Load(addr); ok && w == setFrame {
			return true
		}
	}
	return false
}

func load64(m image, addr uintptr) (uintptr, bool) {
	lo, ok := m.Load(addr)
	hi, ok2 := m.Load(addr + 4)
	return uintptr(uint64(hi)<<32 | uint64(lo)), ok && ok2
}
