package frame

import "unsafe"

// MaxCopies is the number of frames of an activation that those who call Copy in it may have copied together: it bounds the
// activation.
const MaxCopies = 12

// maxRounds is what the longest frame with its pad takes.
const maxRounds = (MaxLen + Pad + copyRound - 1) / copyRound

// copyRound is what copyGo copies in a round, in bytes, and copyRounds how many rounds there are at most: a slot's.
const (
	copyRound  = 32
	copyRounds = SlotSize/copyRound - 1
)

// copyGo is Copy in Go: the only one where there is no assembly, and what the assembly is tested against.
//
//oob:stage any
func copyGo(to, from uintptr, n uint32) {
	rounds, step := (n+copyRound-1)/copyRound&copyRounds, uintptr(copyRound)
	if to > from { // from the end, which is free
		step = -step
		to, from = to+uintptr(rounds-1)*copyRound, from+uintptr(rounds-1)*copyRound
	}
	//oob:total MaxCopies*maxRounds divert.Poll stack/divert lets so many frames of an activation be copied
	for i := uint32(0); i < copyRounds && i < rounds; i++ {
		f, t := (*[copyRound / 4]uint32)(unsafe.Add(nil, from)), (*[copyRound / 4]uint32)(unsafe.Add(nil, to))
		a, b, c, d := f[0], f[1], f[2], f[3]
		e, g, h, j := f[4], f[5], f[6], f[7]
		t[0], t[1], t[2], t[3] = a, b, c, d
		t[4], t[5], t[6], t[7] = e, g, h, j
		to, from = to+step, from+step
	}
}

// CopyTest compares Copy with the plain Go version over the two halves of size bytes of scratch memory at addr (a multiple of
// 64, overwritten), with every length that they have room for and every distance of a word or two, and returns the first length at which they
// differ, or 0. In-band, and for tests on the target.
//
//oob:stage inband
func CopyTest(addr uintptr, size uint32) (length uint32) {
	half := size / 2 &^ 63
	words := func(base uintptr) []uint32 { return unsafe.Slice((*uint32)(unsafe.Add(nil, base)), half/4) }
	a, b := words(addr), words(addr+uintptr(half))
	for n := uint32(1); n+2*copyRound+64 <= half; n++ {
		for _, d := range [...][2]uint32{{4, 0}, {0, 4}, {8, 0}, {0, 8}, {0, half / 2}, {half / 2, 0}} {
			if max(d[0], d[1])+n+copyRound > half {
				continue
			}
			for i := range a {
				a[i] = n*2654435761 + uint32(i)*40503
				b[i] = a[i]
			}
			Copy(addr+uintptr(d[0]), addr+uintptr(d[1]), n)
			base := addr + uintptr(half)
			copyGo(base+uintptr(d[0]), base+uintptr(d[1]), n)
			for i := range a {
				if a[i] != b[i] {
					return n
				}
			}
		}
	}
	return 0
}
