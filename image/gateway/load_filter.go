//go:build tamago && load_filter

package main

import (
	_ "embed"
	"fmt"
	"log"

	"mortise/stack/admin"
)

// filterObject is the example of docs/filters.md: 22 instructions for an echo request.
//
//go:embed testdata/filter.o
var filterObject []byte

func init() {
	loads = append(loads, (*gatewayImage).loadFilter)
}

// loadFilter has a filter program judge what comes in on the first device.
func (g *gatewayImage) loadFilter() {
	device := g.tables.Devices[0].Name
	if err := g.admin.SetFilter(device, admin.Program{Name: "filter.o", Content: filterObject}); err != nil {
		log.Printf("load: filter: %v", err)
		return
	}
	fmt.Printf("load: filter of %s\n", device)
}
