// Command oobvet tells which code of the oob stage breaks the stage's rules, at source level, as go vet does:
//
//	go build -o build/oobvet ./tools/oobvet
//	go vet -vettool=build/oobvet ./...
//
// make check runs it on the packages as they are built for the host and, with a toolchain at hand, for the firmware.
// docs/oobrules.md lists the rules, and says how an editor runs it.
//
// Stage: host. Does not support: running by itself; the go command gives it one package after the other.
package main

import (
	"golang.org/x/tools/go/analysis/unitchecker"

	"mortise/tools/oobvet/source"
)

func main() { unitchecker.Main(source.Analyzer) }
