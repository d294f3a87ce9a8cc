//go:build tamago

package main

import board "mortise/board/mx6ullevk"

// serveInterrupts runs isr each time in-band is interrupted.
func serveInterrupts(isr func()) { board.CPU.ServiceInterrupts(isr) }
