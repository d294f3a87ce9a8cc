package wiretest

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"

	"mortise/stack/frame"
	"mortise/stack/wire"
)

// Mutator makes frames out of a corpus, the same ones for the same seed.
type Mutator struct {
	rnd   *rand.Rand
	cases []Case
	buf   []byte
}

// NewMutator returns a Mutator of the corpus for s.
func NewMutator(s Site, seed uint64) *Mutator {
	return &Mutator{rnd: rand.New(rand.NewPCG(seed, 2)), cases: Corpus(s)}
}

// Next returns a frame, valid until the next call: a third is noise behind plausible beginnings, the others are corpus frames with a few changes, in
// half of which the checksums are put right again, so that the change gets past them.
func (m *Mutator) Next() []byte {
	m.buf = append(m.buf[:0], m.cases[m.rnd.IntN(len(m.cases))].Frame...)
	f := m.buf
	if m.rnd.IntN(3) == 0 {
		keep := m.rnd.IntN(60)
		f = f[:min(keep, len(f))]
		for range m.rnd.IntN(200) {
			f = append(f, byte(m.rnd.Uint32()))
		}
		return f
	}
	for range m.rnd.IntN(4) {
		at := m.rnd.IntN(min(len(f), 64))
		switch m.rnd.IntN(5) {
		case 0:
			f[at] ^= 1 << m.rnd.IntN(8)
		case 1:
			f[at] = byte(m.rnd.Uint32())
		case 2:
			f[at] = [...]byte{0, 1, 7, 0x7f, 0x80, 0xff}[m.rnd.IntN(6)]
		case 3:
			f = f[:max(1, m.rnd.IntN(len(f)+1))]
		case 4:
			for range m.rnd.IntN(8) {
				f = append(f, byte(m.rnd.Uint32()))
			}
		}
	}
	if m.rnd.IntN(2) == 0 {
		Repair(f)
	}
	return f[:min(len(f), frame.MaxLen+20)]
}

// Repair puts the IPv4, UDP and ICMP checksums of f right where there is room for them.
func Repair(f []byte) {
	if len(f) < 14 {
		return
	}
	at, n := 14, 0
	for tpid := binary.BigEndian.Uint16(f[12:]); (tpid == 0x8100 || tpid == 0x88a8) && n < 2 && len(f) >= at+4; n++ {
		tpid = binary.BigEndian.Uint16(f[at+2:])
		at += 4
	}
	if len(f) < at+28 {
		return
	}
	ip := f[at:]
	fill(ip[:20], 10)
	total := int(binary.BigEndian.Uint16(ip[2:]))
	if total < 28 || total > len(ip) {
		return
	}
	data := ip[20:total]
	switch ip[9] {
	case 1:
		fill(data, 2)
	case 17:
		pseudo := slices.Concat(ip[12:20], []byte{0, 17}, data[4:6], data)
		fill(pseudo, 12+6)
		copy(data[6:8], pseudo[12+6:])
	}
}

// fill sets the Internet checksum at b[at:] over b.
func fill(b []byte, at int) {
	clear(b[at : at+2])
	binary.BigEndian.PutUint16(b[at:], wire.Checksum(b, 0))
}
