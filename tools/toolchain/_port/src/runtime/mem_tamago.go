// This file is part of Mortise's port of GOOS=tamago.

//go:build tamago

package runtime

import (
	board "runtime/goos"
	"unsafe"
)

// bootStackBytes is the size of the boot stack, which is that of g0: the
// assembly of rt0_go assumes as much below the stack pointer it is given.
const bootStackBytes = 64 << 10

// heapStart and heapEnd bound the memory that the heap may use.
var heapStart, heapEnd uintptr

// initHeapRange lets the heap begin behind the program's data, or where the
// board says, and end below the boot stack.
func initHeapRange() {
	initBloc()
	if board.Bloc != 0 {
		bloc = memRound(board.Bloc)
		blocMax = bloc
	}
	heapStart = bloc
	heapEnd = (uintptr(board.RamStart) + uintptr(board.RamSize) - uintptr(board.RamStackOffset) - bootStackBytes) &^ (physPageSize - 1)
	if heapEnd <= heapStart {
		throw("runtime/goos: RamSize leaves no memory for the heap")
	}
}

// sbrk extends the heap by n bytes. What it hands out is zero: memory is dirty
// at boot, and the runtime takes new memory to be clear.
func sbrk(n uintptr) unsafe.Pointer {
	n = memRound(n)
	if n > heapEnd-bloc {
		return nil
	}
	p := unsafe.Pointer(bloc)
	bloc += n
	if bloc > blocMax {
		blocMax = bloc
	}
	memclrNoHeapPointers(p, n)
	return p
}

// tamagoMemoryLimit is the default of GOMEMLIMIT. There is no swap and nobody
// to take memory from: as the heap nears the end of RAM, collecting more often
// beats dying. One part in 32 is left for fragmentation.
func tamagoMemoryLimit() int64 {
	n := heapEnd - heapStart
	return int64(n - n/32)
}

// MemRegion returns the start and the end of the memory the runtime uses,
// program included.
func MemRegion() (start, end regionAddr) {
	return regionAddr(board.RamStart), regionAddr(board.RamStart) + regionAddr(board.RamSize)
}

// TextRegion returns the start and the end of the program's code.
func TextRegion() (start, end regionAddr) {
	return regionAddr(firstmoduledata.text), regionAddr(firstmoduledata.etext)
}

// DataRegion returns the start and the end of the program's variables,
// initialized and not.
func DataRegion() (start, end regionAddr) {
	return regionAddr(firstmoduledata.noptrdata), regionAddr(firstmoduledata.enoptrbss)
}
