//go:build tamago

package main

import "github.com/usbarmory/tamago/arm64"

// serveInterrupts runs isr each time in-band is interrupted, until the in-band tick does.
func serveInterrupts(isr func()) {
	arm64.ServiceInterrupts(func() {
		if !ticking.Load() {
			isr()
		}
	})
}
