// This file is part of Mortise's port of GOOS=tamago.

//go:build tamago

package time

var platformZoneSources = []string{
	"/usr/share/zoneinfo/",
}

// initLocal: a machine without an operating system keeps UTC, unless TZ in
// the program's own environment names a zone.
func initLocal() {
	localLoc.name = "UTC"
}
