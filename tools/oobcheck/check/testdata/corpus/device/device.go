//go:build tamago

// Package device is the part of the corpus that the check takes for one which touches devices' registers and memory.
package device

import "unsafe"

// Base and Other are addresses that nothing is known of.
var (
	Base, Other uintptr
	sum         uint32
	half        uint16
	pair        [64]uint32
)

func word(addr uintptr) *uint32     { return *(**uint32)(unsafe.Pointer(&addr)) }
func halfword(addr uintptr) *uint16 { return *(**uint16)(unsafe.Pointer(&addr)) }

// want unaligned-access
func Straddles() {
	a := Base
	sum = *word(a) + *word(a + 2)
}

// want unaligned-access
func OddHalf() {
	a := Base
	half = *halfword(a + 8)
	*halfword(a + 3) = 1
}

// want unaligned-access
func Constant() { *word(0x0209c002) = 1 }

// want unaligned-access
func Calls() {
	sum = read(Base + 4)
	sum += read(Base + 14)
}

// want unaligned-access
func CallsDeep() {
	sum = readNext(Base + 4)
	sum += read(Base + 9)
}

// read is what drivers have for a register.
//
//go:noinline
func read(addr uintptr) uint32 { return *word(addr) }

//go:noinline
func readNext(addr uintptr) uint32 { return read(addr+4) + sum }

// want block-access loop
func CopiesBlock() {
	*(*[40]uint32)(unsafe.Pointer(word(Base))) = *(*[40]uint32)(unsafe.Pointer(word(Other)))
}

// want block-access loop
func Copies() {
	copy((*[64]uint32)(unsafe.Pointer(word(Base)))[:], pair[:sum%64])
}

// want block-access
func Bursts()

// want PASS
func BurstsStated()

// A frame begins two bytes behind a word.
//
// want PASS
func Frame() {
	a := Base
	*word(a + 6) = *word(a + 2)
	*halfword(a + 4) = *halfword(a)
	sum = read(a + 14)
}

// want PASS
func Bytes() {
	a := Base
	sum = *word(a) + uint32(*(*byte)(unsafe.Pointer(word(a + 3))))
}

// Of two structures, each as its own base has it.
//
// want PASS
func TwoBases() {
	sum = *word(Base) + *word(Other + 2)
}

// want PASS
// want arm64: PASS 3
func OwnVariables() {
	from := pair
	from[sum%64] = 1
	keep(&from)
}

//go:noinline
func keep(p *[64]uint32) { sum = p[sum%64] }
