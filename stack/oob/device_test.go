package oob

import (
	_ "unsafe" // for linkname

	"mortise/stack/core"
)

// came is core.Came of a device whose frames have no time: there is none in these tests, frames go to Deliver.
//
//go:linkname came mortise/stack/core.Came
func came(uint32) (at, source uint32) { return 0, core.NoTime }
