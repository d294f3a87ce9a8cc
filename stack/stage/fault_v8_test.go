//go:build !tamago

package stage

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// newFakeV8 has each function open its frame at its fifth instruction, after the stack check.
func newFakeV8() fake {
	f := newFake()
	for _, fn := range f.funcs {
		for addr := fn.entry; addr < fn.entry+fn.size; addr += 4 {
			f.words[addr] = 0xd503201f // nop
		}
		if fn.entry != leaf && fn.entry != more {
			f.words[fn.entry+16] = setFrame
		}
	}
	return f
}

// push64 puts a frame with a return address at the top of a stack that is written downwards; it returns the frame pointer,
// for the next.
func (f fake) push64(top, fp, ret uintptr) (frame uintptr) {
	frame = top - 32
	f.store64(frame, fp)
	f.store64(frame+8, ret)
	return frame
}

func (f fake) store64(addr, v uintptr) {
	f.words[addr], f.words[addr+4] = uint32(v), uint32(uint64(v)>>32)
}

func TestDecodeV8(t *testing.T) {
	const (
		inVector = vector + 12
		inDsp    = dsp + 0x40
		inTask   = task + 0x40
		abort    = ecData<<ecShift | 0x06
	)
	for _, c := range []struct {
		name  string
		rec   func(f fake) recordV8
		kind  Kind
		chain []string
		blame string
		cause string
	}{
		{
			name: "in the task itself",
			rec: func(f fake) recordV8 {
				d := f.push64(sp, 0, inVector)
				return atV8(abort, inTask, f.push64(d, d, inDsp), 0)
			},
			kind:  DataAbort,
			chain: []string{"main.task", "mortise/stack/stage.dispatch"},
			blame: "main.task",
		},
		{
			name: "in a function without a frame",
			rec: func(f fake) recordV8 {
				d := f.push64(sp, 0, inVector)
				return atV8(abort, leaf+0x20, f.push64(d, d, inDsp), inTask)
			},
			kind:  DataAbort,
			chain: []string{"main.leaf", "main.task", "mortise/stack/stage.dispatch"},
			blame: "main.leaf",
		},
		{
			name: "in a prologue, before the frame is opened",
			rec: func(f fake) recordV8 {
				return atV8(abort, task+4, f.push64(sp, 0, inVector), inDsp)
			},
			kind:  DataAbort,
			chain: []string{"main.task", "mortise/stack/stage.dispatch"},
			blame: "main.task",
		},
		{
			name: "in the runtime",
			rec: func(f fake) recordV8 {
				d := f.push64(sp, 0, inVector)
				k := f.push64(d, d, inDsp)
				return atV8(abort, gopan+0x80, f.push64(k, k, inTask), 0)
			},
			kind:  DataAbort,
			chain: []string{"runtime.gopanic", "main.task", "mortise/stack/stage.dispatch"},
			blame: "main.task", cause: "runtime.gopanic",
		},
		{
			name: "stack overflow",
			rec: func(f fake) recordV8 {
				r := atV8(abort, more+8, f.push64(sp, 0, inVector), task+0xf4)
				r.x[3] = inDsp
				return r
			},
			kind:  DataAbort,
			chain: []string{"runtime.morestack_noctxt", "main.task", "mortise/stack/stage.dispatch"},
			blame: "main.task", cause: "runtime.morestack_noctxt",
		},
		{
			name: "jump to nowhere",
			rec: func(f fake) recordV8 {
				d := f.push64(sp, 0, inVector)
				return atV8(ecFetch<<ecShift, 0x1234567812345678, f.push64(d, d, inDsp), inTask)
			},
			kind:  PrefetchAbort,
			chain: []string{"", "main.task", "mortise/stack/stage.dispatch"},
			blame: "main.task",
		},
		{
			name: "supervisor call",
			rec: func(f fake) recordV8 {
				d := f.push64(sp, 0, inVector)
				return atV8(ecSVC<<ecShift, inTask+4, f.push64(d, d, inDsp), 0)
			},
			kind:  SupervisorCall,
			chain: []string{"main.task", "mortise/stack/stage.dispatch"},
			blame: "main.task",
		},
		{
			name:  "broken frame pointer",
			rec:   func(f fake) recordV8 { return atV8(0, inTask, 0x10, 0) },
			kind:  Undefined,
			chain: []string{"main.task"},
			blame: "main.task",
		},
		{
			name:  "nothing known",
			rec:   func(f fake) recordV8 { return atV8(ecPC<<ecShift, 1, 0, 0) },
			kind:  PrefetchAbort,
			chain: []string{""},
		},
	} {
		f := newFakeV8()
		rec := c.rec(f)
		got := decodeV8(&rec, f)
		if diff := cmp.Diff(c.chain, names(got.Chain)); diff != "" {
			t.Errorf("%s: chain (-want +got):\n%s", c.name, diff)
		}
		if got.Kind != c.kind || got.Func.Func != c.blame || got.Cause != c.cause {
			t.Errorf("%s: %v in %q through %q, want %v in %q through %q",
				c.name, got.Kind, got.Func.Func, got.Cause, c.kind, c.blame, c.cause)
		}
	}
}

func atV8(esr uint64, pc, fp, lr uintptr) recordV8 {
	r := recordV8{esr: esr, elr: uint64(pc), count: 1}
	r.x[29], r.x[30] = uint64(fp), uint64(lr)
	return r
}

// TestChainV8Ends: a frame pointer that points to itself ends at the limit.
func TestChainV8Ends(t *testing.T) {
	f := newFakeV8()
	f.store64(sp, sp)
	f.store64(sp+8, task+0x44)
	if got := chainV8(f, task+0x40, sp, 0, 0); len(got) != maxChain {
		t.Errorf("a chain of %d calls, want the limit of %d", len(got), maxChain)
	}
}

func TestFaultRegistersV8(t *testing.T) {
	rec := recordV8{
		sp: 31, elr: 0x1000, spsr: 0x800003c4, esr: ecData<<ecShift | 0x21, far: 0x09000019,
		inband: 0x60000005, time: 9, count: 3,
	}
	for i := range rec.x {
		rec.x[i] = uint64(100+i) << 32
	}
	f := decodeV8(&rec, newFakeV8())
	if f.Kind != DataAbort || f.PC != 0x1000 || f.SP != 31 || f.LR != 130<<32 || f.Addr != 0x09000019 {
		t.Errorf("kind, PC, SP, LR, address = %v, %#x, %d, %#x, %#x", f.Kind, f.PC, f.SP, f.LR, f.Addr)
	}
	text := f.String()
	for _, want := range []string{"oob fault 3: data abort", "pc 00001000", "esr 94000021 far 09000019 (alignment)",
		"in-band psr 60000005", "x29 8100000000"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func TestStatusV8(t *testing.T) {
	for esr, want := range map[uint64]string{
		ecData<<ecShift | 0x04:  "not mapped",
		ecData<<ecShift | 0x07:  "not mapped",
		ecFetch<<ecShift | 0x0d: "permission",
		ecData<<ecShift | 0x0f:  "permission",
		ecData<<ecShift | 0x10:  "external",
		ecData<<ecShift | 0x21:  "alignment",
		ecSP << ecShift:         "alignment",
		ecPC << ecShift:         "alignment",
		ecData<<ecShift | 0x30:  "status 0x30",
		ecSVC << ecShift:        "",
		0:                       "",
	} {
		if got := (RegistersV8{ESR: esr}).Status(); got != want {
			t.Errorf("ESR %#x: %q, want %q", esr, got, want)
		}
	}
}

func FuzzChainV8(f *testing.F) {
	f.Add(uint64(task+0x40), uint64(sp-32), uint64(dsp+0x40), uint64(0), []byte{1, 2, 3, 4})
	f.Add(uint64(more+8), uint64(sp-4), uint64(task+0xf4), uint64(dsp+0x40), []byte{})
	f.Fuzz(func(t *testing.T, pc, fp, lr, x3 uint64, stack []byte) {
		img := newFakeV8()
		for i := 0; i+4 <= len(stack); i += 4 {
			img.words[uintptr(fp&^3)+uintptr(i)] = uint32(stack[i]) | uint32(stack[i+1])<<8 | uint32(stack[i+2])<<16 | uint32(stack[i+3])<<24
		}
		if got := chainV8(img, uintptr(pc), uintptr(fp), uintptr(lr), uintptr(x3)); len(got) > maxChain+1 {
			t.Errorf("a chain of %d calls, want at most %d", len(got), maxChain+1)
		}
	})
}
