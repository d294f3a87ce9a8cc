//go:build !tamago

package stage

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fake is an image: functions with their code, and a stack.
type fake struct {
	funcs []function
	words map[uintptr]uint32
}

type function struct {
	name   string
	entry  uintptr
	size   uintptr
	inline string // an inlined function that all its code belongs to
}

func (f fake) Load(addr uintptr) (uint32, bool) {
	w, ok := f.words[addr]
	return w, ok
}

func (f fake) Function(pc uintptr) (string, uintptr, bool) {
	for _, fn := range f.funcs {
		if pc >= fn.entry && pc < fn.entry+fn.size {
			return fn.name, fn.entry, true
		}
	}
	return "", 0, false
}

func (f fake) Calls(pc uintptr) []Call {
	for _, fn := range f.funcs {
		if pc >= fn.entry && pc < fn.entry+fn.size {
			calls := []Call{{PC: pc, Func: fn.name}}
			if fn.inline != "" {
				calls = append([]Call{{PC: pc, Func: fn.inline}}, calls...)
			}
			return calls
		}
	}
	return []Call{{PC: pc}}
}

const (
	sp     = 0x80240000
	vector = 0x80010000 // stage.fiqVector
	dsp    = 0x80011000 // stage.dispatch
	task   = 0x80012000 // main.task
	leaf   = 0x80013000 // main.leaf, no frame
	gopan  = 0x80014000 // runtime.gopanic
	more   = 0x80015000 // runtime.morestack_noctxt
	inl    = 0x80016000 // main.outer with sync.(*Mutex).Unlock inlined
)

// newFake has each function open its frame at its fourth instruction, after the stack check.
func newFake() fake {
	f := fake{
		funcs: []function{
			{name: "mortise/stack/stage.fiqVector", entry: vector, size: 0x100},
			{name: "mortise/stack/stage.dispatch", entry: dsp, size: 0x100},
			{name: "main.task", entry: task, size: 0x100},
			{name: "main.leaf", entry: leaf, size: 0x100},
			{name: "runtime.gopanic", entry: gopan, size: 0x100},
			{name: "runtime.morestack_noctxt", entry: more, size: 0x10},
			{name: "main.outer", entry: inl, size: 0x100, inline: "sync.(*Mutex).Unlock"},
		},
		words: map[uintptr]uint32{},
	}
	for _, fn := range f.funcs {
		for addr := fn.entry; addr < fn.entry+fn.size; addr += 4 {
			f.words[addr] = 0xe1a00000 // mov r0, r0
		}
	}
	for entry, size := range map[uintptr]uint32{dsp: 8, task: 24, gopan: 64, inl: 16} {
		f.words[entry+12] = openFrame | size
	}
	return f
}

// push puts a frame of size bytes with a return address at the top of a stack that is written downwards; it returns the
// stack pointer.
func (f fake) push(top, size uintptr, ret uint32) uintptr {
	top -= size
	for addr := top + 4; addr < top+size; addr += 4 {
		f.words[addr] = task + 0x44 // what a scan of the stack would take for a call
	}
	f.words[top] = ret
	return top
}

func names(calls []Call) (n []string) {
	for _, c := range calls {
		n = append(n, c.Func)
	}
	return n
}

func TestDecode(t *testing.T) {
	const (
		inVector = vector + 12
		inDsp    = dsp + 0x40
		inTask   = task + 0x40
	)
	for _, c := range []struct {
		name  string
		rec   func(f fake) record
		chain []string
		blame string
		cause string
	}{
		{
			name: "in the task itself",
			rec: func(f fake) record {
				s := f.push(f.push(sp, 8, inVector), 24, inDsp)
				return at(DataAbort, inTask, s, 0)
			},
			chain: []string{"main.task", "mortise/stack/stage.dispatch"},
			blame: "main.task",
		},
		{
			name: "in a function without a frame",
			rec: func(f fake) record {
				s := f.push(f.push(sp, 8, inVector), 24, inDsp)
				return at(DataAbort, leaf+0x20, s, inTask)
			},
			chain: []string{"main.leaf", "main.task", "mortise/stack/stage.dispatch"},
			blame: "main.leaf",
		},
		{
			name: "in a prologue, before the frame is opened",
			rec: func(f fake) record {
				s := f.push(sp, 8, inVector)
				return at(DataAbort, task+4, s, inDsp)
			},
			chain: []string{"main.task", "mortise/stack/stage.dispatch"},
			blame: "main.task",
		},
		{
			name: "in the runtime",
			rec: func(f fake) record {
				s := f.push(f.push(f.push(sp, 8, inVector), 24, inDsp), 64, inTask)
				return at(DataAbort, gopan+0x80, s, 0)
			},
			chain: []string{"runtime.gopanic", "main.task", "mortise/stack/stage.dispatch"},
			blame: "main.task", cause: "runtime.gopanic",
		},
		{
			name: "stack overflow",
			rec: func(f fake) record {
				s := f.push(sp, 8, inVector)
				r := at(DataAbort, more+8, s, task+0xf4)
				r.r[3] = inDsp
				return r
			},
			chain: []string{"runtime.morestack_noctxt", "main.task", "mortise/stack/stage.dispatch"},
			blame: "main.task", cause: "runtime.morestack_noctxt",
		},
		{
			name: "jump to nowhere",
			rec: func(f fake) record {
				s := f.push(f.push(sp, 8, inVector), 24, inDsp)
				return at(PrefetchAbort, 0x12345678, s, inTask)
			},
			chain: []string{"", "main.task", "mortise/stack/stage.dispatch"},
			blame: "main.task",
		},
		{
			name: "inlined library function",
			rec: func(f fake) record {
				s := f.push(f.push(sp, 8, inVector), 16, inDsp)
				return at(DataAbort, inl+0x40, s, 0)
			},
			chain: []string{"sync.(*Mutex).Unlock", "main.outer", "mortise/stack/stage.dispatch"},
			blame: "main.outer", cause: "sync.(*Mutex).Unlock",
		},
		{
			name: "endless, in a function without a frame",
			rec: func(f fake) record {
				f.call(inDsp-4, task)
				f.call(task+0x30, leaf)
				s := f.push(f.push(sp, 8, inVector), 24, inDsp)
				return at(Endless, leaf+0x20, s, 0)
			},
			chain: []string{"main.leaf", "main.task", "mortise/stack/stage.dispatch"},
			blame: "main.leaf",
		},
		{
			name: "endless, and nobody calls it so",
			rec: func(f fake) record {
				f.call(inDsp-4, task)
				s := f.push(f.push(sp, 8, inVector), 24, inDsp)
				return at(Endless, leaf+0x20, s, 0)
			},
			chain: []string{"main.leaf"},
			blame: "main.leaf",
		},
		{
			name:  "broken stack pointer",
			rec:   func(f fake) record { return at(DataAbort, inTask, 0x10, 0) },
			chain: []string{"main.task"},
			blame: "main.task",
		},
		{
			name:  "nothing known",
			rec:   func(f fake) record { return at(PrefetchAbort, 0, 0, 0) },
			chain: []string{""},
		},
	} {
		f := newFake()
		rec := c.rec(f)
		got := decode(&rec, f)
		if diff := cmp.Diff(c.chain, names(got.Chain)); diff != "" {
			t.Errorf("%s: chain (-want +got):\n%s", c.name, diff)
		}
		if got.Func.Func != c.blame || got.Cause != c.cause {
			t.Errorf("%s: %q through %q, want %q through %q", c.name, got.Func.Func, got.Cause, c.blame, c.cause)
		}
	}
}

// at returns the record of a fault.
func at(kind Kind, pc uint32, sp uintptr, lr uint32) record {
	r := record{kind: uint32(kind), ret: pc + 4, psr: 0x1d1, count: 1}
	if kind == DataAbort {
		r.ret = pc + 8
	}
	r.r[13], r.r[14] = uint32(sp), lr
	return r
}

// call puts a BL to entry at pc.
func (f fake) call(pc, entry uintptr) { f.words[pc] = 0xeb000000 | uint32(entry-pc-8)>>2&0xffffff }

// The place of a call whose return address is lost is exact if it is the only one.
func TestLostReturn(t *testing.T) {
	f := newFake()
	f.call(dsp+0x3c, task)
	s := f.push(sp, 24, dsp+0x40)
	f.call(task+0x30, leaf)
	if ret, ok := lostReturn(f, leaf, s); !ok || ret != task+0x34 {
		t.Errorf("one call: %#x, %v, want %#x", ret, ok, task+0x34)
	}
	f.call(task+0x50, leaf)
	if ret, ok := lostReturn(f, leaf, s); !ok || ret != task+4 {
		t.Errorf("two calls: %#x, %v, want %#x", ret, ok, task+4)
	}
	if ret, ok := lostReturn(f, leaf, sp+64); ok {
		t.Errorf("no stack: %#x", ret)
	}
}

// TestChainEnds: whatever the stack holds, the walk ends.
func TestChainEnds(t *testing.T) {
	f := newFake()
	for addr := uintptr(sp - 4096); addr < sp; addr += 4 {
		f.words[addr] = task + 0x44 // main.task calls itself without end
	}
	if got := chain(f, task+0x40, sp-4096, 0, 0); len(got) != maxChain {
		t.Errorf("a chain of %d calls, want the limit of %d", len(got), maxChain)
	}
}

func TestFaultRegisters(t *testing.T) {
	rec := record{
		ret: 0x1008, psr: 0x200001d1, kind: uint32(DataAbort), dfsr: 5, ifsr: 6, dfar: 0x18, ifar: 8,
		inband: 0x6000001f, time: 9, count: 3,
	}
	for i := range rec.r {
		rec.r[i] = uint32(100 + i)
	}
	f := decode(&rec, newFake())
	g := f.Registers.(RegistersV7)
	if f.PC != 0x1000 || f.SP != 113 || f.LR != 114 || f.Addr != 0x18 || g.R[0] != 100 || g.R[12] != 112 {
		t.Errorf("PC, SP, LR, address, R0, R12 = %#x, %d, %d, %#x, %d, %d", f.PC, f.SP, f.LR, f.Addr, g.R[0], g.R[12])
	}
	text := f.String()
	for _, want := range []string{"oob fault 3: data abort", "pc 00001000", "dfsr 00000005 dfar 00000018", "in-band psr 6000001f", "r12 00000070"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func TestIsLibrary(t *testing.T) {
	for name, want := range map[string]bool{
		"runtime.gopanic":                   true,
		"internal/sync.(*Mutex).Unlock":     true,
		"encoding/binary.Read":              true,
		"sync.(*Mutex).Lock":                true,
		"main.dispatch":                     false,
		"main.(*T).method":                  false,
		"mortise/stack/stage.dispatch":      false,
		"mortise/stack/oob.Deliver":         false,
		"github.com/usbarmory/tamago/arm.f": false,
		"":                                  false,
	} {
		if got := isLibrary(name); got != want {
			t.Errorf("isLibrary(%q) = %v, want %v", name, got, want)
		}
	}
}

func TestHighWater(t *testing.T) {
	for _, c := range []struct {
		name string
		used []int // words of 16 that are not the pattern
		want uint32
	}{
		{"never used", nil, 0},
		{"a word", []int{15}, 4},
		{"with a hole", []int{15, 10}, 24},
		{"all", []int{0}, 64},
	} {
		stack := make([]uint32, 16)
		for i := range stack {
			stack[i] = pattern
		}
		for _, i := range c.used {
			stack[i] = 0
		}
		if got := highWater(stack); got != c.want {
			t.Errorf("%s: %d bytes, want %d", c.name, got, c.want)
		}
	}
}

func FuzzChain(f *testing.F) {
	f.Add(uint32(task+0x40), uint32(sp-32), uint32(dsp+0x40), uint32(0), []byte{1, 2, 3, 4})
	f.Add(uint32(more+8), uint32(sp-4), uint32(task+0xf4), uint32(dsp+0x40), []byte{})
	f.Fuzz(func(t *testing.T, pc, s, lr, r3 uint32, stack []byte) {
		img := newFake()
		for i := 0; i+4 <= len(stack); i += 4 {
			img.words[uintptr(s&^3)+uintptr(i)] = uint32(stack[i]) | uint32(stack[i+1])<<8 | uint32(stack[i+2])<<16 | uint32(stack[i+3])<<24
		}
		if got := chain(img, uintptr(pc), uintptr(s), uintptr(lr), uintptr(r3)); len(got) > maxChain+1 {
			t.Errorf("a chain of %d calls, want at most %d", len(got), maxChain+1)
		}
	})
}
