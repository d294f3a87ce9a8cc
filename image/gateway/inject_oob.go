//go:build tamago && inject

package main

import (
	"unsafe"

	"mortise/drivers/mmio"
)

// injectKind is the fault that the next kick, or task, makes oob code commit: an index into faults, plus one.
var injectKind uint32

// injectIn is where it is to be.
var injectIn uint32

// What the faults below go wrong with: variables, so that the compiler does not see it.
var (
	injectIndex   uint32 = 1000
	injectZero    uint32
	injectArray   [4]uint32
	injectSlice   []byte
	injectMap     map[uint32]uint32
	injectAddress uintptr = 0xe0000000 // nothing is there
)

// injected commits the fault that in-band asked for, if it asked for it in this place.
//
//oob:stage oob
//oob:allow divide,panic,map,pointer,alloc to have these faults is its purpose
func injected(place uint32) {
	if mmio.Load(&injectIn) != place {
		return
	}
	kind := mmio.Load(&injectKind)
	mmio.Store(&injectKind, 0)
	switch kind {
	case 1:
		injectArray[injectIndex&1023]++
	case 2:
		*(*uint32)(unsafe.Pointer(uintptr(injectZero)))++
	case 3:
		injectArray[0] = injectIndex / injectZero
	case 4:
		*(*uint32)(unsafe.Pointer(injectAddress)) = 1
	case 5:
		injectArray[0] = recurse(1 << 20)
	case 6:
		panic("injected")
	case 7:
		injectMap[injectIndex] = 1
	case 8:
		injectSlice = make([]byte, injectIndex<<10)
	case 9:
		endless()
	case 10:
		wildJump(injectAddress)
	case 11:
		undefinedInstruction()
	case 12:
		hang()
	}
}

// endless has no frame: that it was called, and from where, stands nowhere but in LR.
//
//oob:stage oob
//oob:allow loop not to end is its purpose
//go:noinline
func endless() {
	for injectZero == 0 {
		injectArray[1]++
	}
}

// defined in inject_arm.s

// wildJump calls what is at addr.
//
//oob:stage oob
//go:noescape
func wildJump(addr uintptr)

//oob:stage oob
//go:noescape
func undefinedInstruction()

// hang does not end, and masks what would tell.
//
//oob:stage oob
//go:noescape
func hang()

// recurse overflows the oob stack.
//
//oob:stage oob
//oob:allow recursion to overflow the stack is its purpose
//go:noinline
func recurse(n uint32) uint32 {
	if n == 0 {
		return 0
	}
	return recurse(n-1) + n
}
