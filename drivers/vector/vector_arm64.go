//go:build tamago

package vector

// irqStack is the handlers': below a goroutine's stack pointer is more than its own. Only one of them is in the table.
var irqStack [irqStackSize / 8]uint64

const (
	irqStackSize = 512
	irqFrame     = 272 // bytes; the rest is for what a handler calls
)
