//go:build tamago

package main

import "github.com/usbarmory/tamago/arm64"

// serveInterrupts runs isr each time in-band is interrupted.
func serveInterrupts(isr func()) { arm64.ServiceInterrupts(isr) }
