package load

import (
	"encoding/binary"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/net/bpf"

	"mortise/stack/filter"
	flat "mortise/stack/filter/bpf"
)

// fuzzFrames are frames that an accepted program runs on, beside the fuzzer's own.
func fuzzFrames() [][]byte {
	r := rand.New(rand.NewPCG(7, 8))
	list := make([][]byte, 8)
	for i := range list {
		list[i] = randomFrame(r)
	}
	return list
}

// accepted checks what the verifier promises of a program: on any frame the reference does nothing that is not allowed,
// depends on nothing that was never written, takes no more steps than said, and the Program has the same verdict.
func accepted(t *testing.T, a *arena, f *Filter, insns []insn, frames [][]byte) {
	t.Helper()
	for _, frame := range frames {
		if len(frame) < 14 || len(frame) > 1522 {
			continue
		}
		var want [2]filter.Verdict
		for i, poison := range []uint64{0, 0xa5a5a5a5_5a5a5a5a} {
			m := reference{insns: insns, frame: frame, ifindex: ifindex, poison: poison}
			v, err := m.run()
			if err != nil {
				t.Fatalf("accepted, and on %x: %v\n%s", frame, err, strings.Join(f.source, "\n"))
			}
			if want[i] = verdictOf(v); m.steps+1 > f.Steps {
				t.Fatalf("%d steps, at most %d were said, on %x\n%s", m.steps+1, f.Steps, frame, strings.Join(f.source, "\n"))
			}
		}
		if want[0] != want[1] {
			t.Fatalf("the verdict depends on what was never written, on %x\n%s", frame, strings.Join(f.source, "\n"))
		}
		if got := a.run(t, &f.Program, frame); got != want[0] {
			t.Fatalf("%s, want %s, on %x\n%s", VerdictName(got), VerdictName(want[0]), frame, strings.Join(f.source, "\n"))
		}
	}
}

// FuzzObject: no file makes Object panic, and what it accepts keeps what the verifier promises.
func FuzzObject(f *testing.F) {
	for _, object := range corpus(f) {
		f.Add(object)
	}
	a, list := newArena(f), fuzzFrames()
	f.Fuzz(func(t *testing.T, object []byte) {
		p, err := Object(object, Options{Ifindex: ifindex})
		if err != nil {
			if err.Error() == "" {
				t.Error("refused without a reason")
			}
			return
		}
		e, err := parseELF(object)
		if err != nil {
			t.Fatal(err)
		}
		fn, err := e.function("")
		if err != nil {
			t.Fatal(err)
		}
		insns, _ := decode(fn.code)
		accepted(t, a, p, insns, list)
		p.Explain(list[0])
	})
}

// program makes a Filter of instructions, as Object does.
func program(insns []insn) (*Filter, error) {
	f := &Filter{source: make([]string, len(insns))}
	for i := range insns {
		f.source[i] = insns[i].String()
	}
	v := &verifier{insns: insns}
	steps, refusal := v.verify()
	if refusal != nil {
		return nil, refusal
	}
	f.Steps = steps
	t := &translator{insns: insns, facts: v.facts, joins: v.joins, ifidx: ifindex}
	t.translate()
	return f, t.build(f)
}

// plausible makes an instruction of any eight bytes that has a chance to be accepted: registers that exist, short jumps
// forward, the stack's last bytes.
func plausible(b []byte) (insns []insn) {
	ops := []uint8{
		0x07, 0x0f, 0x17, 0x1f, 0x27, 0x2f, 0x37, 0x3f, 0x47, 0x4f, 0x57, 0x5f, 0x67, 0x6f, 0x77, 0x7f, 0x87, 0x97, 0x9f, 0xa7, 0xaf, 0xb7,
		0xbf, 0xc7, 0xcf, 0x04, 0x0c, 0x14, 0x1c, 0x24, 0x2c, 0x34, 0x3c, 0x44, 0x4c, 0x54, 0x5c, 0x64, 0x6c, 0x74, 0x7c, 0x84, 0x94, 0x9c,
		0xa4, 0xac, 0xb4, 0xbc, 0xc4, 0xcc, 0xd4, 0xdc, 0x15, 0x1d, 0x25, 0x2d, 0x35, 0x3d, 0x45, 0x4d, 0x55, 0x5d, 0x65, 0x6d, 0x75, 0x7d,
		0xa5, 0xad, 0xb5, 0xbd, 0xc5, 0xcd, 0xd5, 0xdd, 0x16, 0x1e, 0x26, 0x2e, 0x36, 0x3e, 0x46, 0x4e, 0x56, 0x5e, 0x66, 0x6e, 0x76, 0x7e,
		0xa6, 0xae, 0xb6, 0xbe, 0xc6, 0xce, 0xd6, 0xde, 0x20, 0x28, 0x30, 0x40, 0x48, 0x50, 0x61, 0x69, 0x71, 0x79, 0x62, 0x6a, 0x72, 0x7a,
		0x63, 0x6b, 0x73, 0x7b, 0x85, 0x95, 0xb7, 0xb4, 0xbf, 0x07,
	}
	insns = []insn{{op: 0xbf, dst: 6, src: 1}, {op: 0xbf, dst: 9, src: 10}} // r6 = r1, r9 = r10
	for r := range uint8(10) {
		if r != 6 && r != 9 && r != 1 {
			insns = append(insns, insn{op: 0xb7, dst: r, imm: int32(r) * 3})
		}
	}
	for ; len(b) >= 8; b = b[8:] {
		in := insn{op: ops[int(b[0])%len(ops)], dst: b[1] % 10, src: b[1] / 16 % 11, imm: int32(binary.LittleEndian.Uint32(b[4:]))}
		switch b[2] & 3 {
		case 0:
			in.imm &= 31
		case 1:
			in.imm = 1 << (in.imm & 31)
		}
		switch in.class() {
		case clAlu, clAlu64:
			if in.op&0xf0 == aluEnd {
				in.imm = []int32{16, 32, 64}[b[3]%3]
			}
		case clJmp, clJmp32:
			if in.op&0xf0 == jmpCall {
				in.imm = callLoadBytes
			} else if in.op&0xf0 != jmpExit {
				in.off = int16(int8(b[3])) >> 3
			}
		case clLd:
			if in.op&0xe0 == modeAbs {
				in.imm &= 63
			}
		default:
			in.off = -int16(b[3] & 63)
			if b[2]&4 != 0 {
				in.dst, in.src = 10, 10
			}
		}
		insns = append(insns, in)
	}
	return append(insns, insn{op: 0x95})
}

// FuzzVerify: no instructions make the verifier panic, and what it accepts keeps what it promises. The first byte chooses
// between the bytes as instructions and plausible ones made of them.
func FuzzVerify(f *testing.F) {
	for _, object := range corpus(f) {
		e, err := parseELF(object)
		if err != nil {
			f.Fatal(err)
		}
		fn, err := e.function("")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(append([]byte{0}, fn.code...), fuzzFrames()[0])
		f.Add(append([]byte{1}, fn.code...), fuzzFrames()[1])
	}
	a, list := newArena(f), fuzzFrames()
	f.Fuzz(func(t *testing.T, b, frame []byte) {
		if len(b) < 9 || len(b) > 1+8*maxSource {
			return
		}
		insns, refusal := decode(b[1:])
		if b[0]&1 != 0 {
			insns, refusal = plausible(b[1:]), nil
		}
		if refusal != nil {
			return
		}
		p, err := program(insns)
		if err != nil {
			return
		}
		accepted(t, a, p, insns, append(list, frame))
	})
}

// TestRandomPrograms is FuzzVerify with random instructions: enough of them must be accepted, or it tests nothing.
func TestRandomPrograms(t *testing.T) {
	a, list := newArena(t), fuzzFrames()
	r := rand.New(rand.NewPCG(9, 10))
	n, good := frames(50_000), 0
	for range n {
		b := make([]byte, 8*(1+r.IntN(12)))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		insns := plausible(b)
		if p, err := program(insns); err == nil {
			good++
			accepted(t, a, p, insns, list)
		}
	}
	t.Logf("%d of %d programs accepted", good, n)
	if good < n/40 {
		t.Errorf("%d of %d programs accepted, want a fortieth", good, n)
	}
}

// FuzzRun: a Program that nobody verified, on any frame, ends, touches nothing outside of the frame and itself, and changes
// no instruction of its own.
func FuzzRun(f *testing.F) {
	for _, object := range corpus(f) {
		p, err := Object(object, Options{})
		if err != nil {
			f.Fatal(err)
		}
		var b []byte
		for i := range p.Program.Len() {
			in := p.Program.At(uint32(i))
			b = binary.LittleEndian.AppendUint64(b, uint64(in.W)|uint64(in.K)<<32)
		}
		f.Add(b, fuzzFrames()[0], uint8(14))
	}
	a := newArena(f)
	// The Program itself ends where memory does.
	own := newPages(f, 2)
	p := (*flat.Program)(unsafe.Pointer(&own.pages[3*page-int(unsafe.Sizeof(flat.Program{}))]))
	f.Fuzz(func(t *testing.T, b, frame []byte, base uint8) {
		if len(frame) > 1522 {
			return
		}
		var code flat.Code
		for ; len(b) >= 8 && len(code.Insns) < flat.MaxInsns; b = b[8:] {
			code.Insns = append(code.Insns, flat.Insn{W: binary.LittleEndian.Uint32(b), K: binary.LittleEndian.Uint32(b[4:])})
		}
		for i := range uint64(64) {
			code.Consts = append(code.Consts, i*0x0101010101010101)
		}
		code.Base, code.Steps = uint32(base), flat.MaxSteps
		if err := p.Build(&code); err != nil {
			t.Fatal(err)
		}
		for _, at := range []int{2*page - len(frame), page} {
			copy(a.pages[at:], frame)
			p.Run(uintptr(unsafe.Pointer(&a.pages[at])), uint32(len(frame)))
		}
		for pc := range uint32(flat.MaxInsns) {
			want := flat.Insn{}
			if int(pc) < len(code.Insns) {
				want = code.Insns[pc]
			}
			if p.At(pc) != want {
				t.Fatalf("instruction %d was changed", pc)
			}
		}
	})
}

// FuzzClassic: no text makes the parser or the translation panic, and what they accept has the verdict of the virtual
// machine of golang.org/x/net/bpf.
func FuzzClassic(f *testing.F) {
	texts, err := os.ReadFile("testdata/classic.txt")
	if err != nil {
		f.Fatal(err)
	}
	for text := range strings.SplitSeq(string(texts), "\n\n") {
		f.Add(text, fuzzFrames()[0])
	}
	a, list := newArena(f), fuzzFrames()
	f.Fuzz(func(t *testing.T, text string, frame []byte) {
		program, err := ParseClassic(text)
		if err != nil {
			return
		}
		p, err := Classic(program, Returns{Codes: true})
		if err != nil {
			return
		}
		if notXNet(program) {
			return
		}
		raw := make([]bpf.RawInstruction, len(program))
		for i, in := range program {
			raw[i] = bpf.RawInstruction{Op: in.Op, Jt: in.JT, Jf: in.JF, K: in.K}
		}
		list2, ok := bpf.Disassemble(raw)
		vm, err := bpf.NewVM(list2)
		if !ok || err != nil {
			return // it refuses what is never executed, too
		}
		for _, frame := range append(list, frame) {
			if len(frame) < 14 || len(frame) > 1522 {
				continue
			}
			v, err := vm.Run(frame)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := a.run(t, &p.Program, frame), verdictOf(uint32(v)); got != want {
				t.Fatalf("%s, x/net/bpf has %s, on %x\n%s", VerdictName(got), VerdictName(want), frame, text)
			}
			p.Explain(frame)
		}
	})
}

// notXNet reports whether a program has what x/net/bpf does not know or takes for something else: loads at offsets that only
// Linux gives a meaning, ldx #pktlen, which it loads into A, and neg.
func notXNet(program []Instruction) bool {
	for _, in := range program {
		if in.Op&7 == clLd && in.Op&0xe0 != modeImm && int32(in.K) < 0 ||
			in.Op == classicLdx|modeLen || in.Op&0xff&^bySource == clAlu|aluNeg {
			return true
		}
	}
	return false
}
