//go:build tamago && load_capture

package main

import (
	"fmt"
	"log"

	"mortise/stack/capture"
)

func init() {
	loads = append(loads, (*gatewayImage).loadCapture)
}

// loadCapture has what comes in on the first device kept, as `net capture` does: what it costs the oob stage is docs/console.md's.
func (g *gatewayImage) loadCapture() {
	port := g.tables.Devices[0].Name
	if err := g.admin.Capture(capture.Options{Name: "load", Port: port}); err != nil {
		log.Printf("load: capture: %v", err)
		return
	}
	fmt.Printf("load: capture of %s\n", port)
}
