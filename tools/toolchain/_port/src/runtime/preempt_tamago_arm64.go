// This file is part of Mortise's port of GOOS=tamago.

//go:build tamago

package runtime

import "unsafe"

// interrupted is what the vector has saved.
type interrupted struct {
	r       [31]uintptr
	sp      uintptr
	counter uintptr // address to return to
	state   uintptr // SPSR
}

func (c *interrupted) running() *g    { return guintptr(c.r[28]).ptr() }
func (c *interrupted) pc() *uintptr   { return &c.counter }
func (c *interrupted) link() *uintptr { return &c.r[30] }

// pushCall does what sigctxt.pushCall does: asyncPreempt restores LR from the
// slot, and tracebacks find the frame pointer below.
func (c *interrupted) pushCall() {
	c.sp -= 16
	*(*uintptr)(unsafe.Pointer(c.sp)) = c.r[30]
	*(*uintptr)(unsafe.Pointer(c.sp - 8)) = c.r[29]
}
