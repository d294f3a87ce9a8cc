package mmio

import (
	"sync"
	"testing"
)

// file is a register file of four registers that remembers what was written last.
type file struct {
	regs [4]uint32
	last uint32 // offset
}

func (f *file) ReadReg(off uint32) uint32 { return f.regs[off/4] }
func (f *file) WriteReg(off, v uint32)    { f.regs[off/4], f.last = v, off }

func TestRegisterFile(t *testing.T) {
	const base = 0x40000000
	f := &file{}
	unmap := Map(base, 16, f)
	Write(base+4, 0xf0)
	Set(base+4, 0x0f)
	Clear(base+4, 0x81)
	if got := Read(base + 4); got != 0x7e || f.last != 4 {
		t.Errorf("register = %#x at offset %d, want 0x7e at 4", got, f.last)
	}
	WriteAfter(base+12, 7)
	if f.regs[3] != 7 {
		t.Errorf("WriteAfter: register = %d, want 7", f.regs[3])
	}
	for name, access := range map[string]func(){
		"below":     func() { Read(base - 4) },
		"above":     func() { Write(base+16, 0) },
		"unaligned": func() { Read(base + 2) },
	} {
		if !panics(access) {
			t.Errorf("%s: no panic", name)
		}
	}
	unmap()
	if !panics(func() { Read(base) }) {
		t.Error("the register file is still mapped")
	}
}

func panics(f func()) (yes bool) {
	defer func() { yes = recover() != nil }()
	f()
	return false
}

// What was written ahead of Store is there behind Load: the race detector would tell.
func TestPublication(t *testing.T) {
	var word, payload uint32
	var wait sync.WaitGroup
	wait.Go(func() {
		payload = 42
		Store(&word, 1)
	})
	for Load(&word) == 0 {
	}
	if payload != 42 {
		t.Errorf("payload = %d, want 42", payload)
	}
	wait.Wait()
}
