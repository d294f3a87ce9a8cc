//go:build tamago && inject

package main

import (
	"unsafe"

	"mortise/drivers/mmio"
)

// injectKind is the fault that the next kick makes oob code commit: an index into faults, plus one.
var injectKind uint32

// What the faults below go wrong with: variables, so that the compiler does not see it.
var (
	injectIndex   uint32 = 1000
	injectZero    uint32
	injectArray   [4]uint32
	injectSlice   []byte
	injectMap     map[uint32]uint32
	injectAddress uintptr = 0xe0000000 // nothing is there
)

// injected commits the fault that in-band asked for.
//
//oob:stage oob
//oob:allow divide,panic,map,pointer,alloc,loop to have these faults is its purpose
func injected() {
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
		for injectZero == 0 {
			injectArray[1]++
		}
	}
}

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
