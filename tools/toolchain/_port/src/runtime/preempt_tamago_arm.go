// This file is part of Mortise's port of GOOS=tamago.

//go:build tamago

package runtime

import "unsafe"

// interrupted is what PreemptInterrupted has saved on the vector's stack.
type interrupted struct {
	sp, lr uintptr // R13 and R14 of the interrupted mode
	gp     guintptr
	frame  *[14]uintptr // R0-R12, then the address to return to
}

func (c *interrupted) running() *g    { return c.gp.ptr() }
func (c *interrupted) pc() *uintptr   { return &c.frame[13] }
func (c *interrupted) link() *uintptr { return &c.lr }

// pushCall does what sigctxt.pushCall does: asyncPreempt restores LR from the
// slot.
func (c *interrupted) pushCall() {
	c.sp -= 4
	*(*uintptr)(unsafe.Pointer(c.sp)) = c.lr
}
