// Package rules says which package may import which, and finds the files that break it. A test holds the module to it.
//
// The rules are about files, because imports are: a package whose two halves share a folder (drivers/enet, stack/divert)
// keeps its oob functions in files of their own, and a file counts as oob code as soon as one function in it is marked
// "//oob:stage oob" or "any". Looked at is what the firmware is built from, tests and host doubles are free.
//
// Stage: host. Follows: docs/oobrules.md. Does not support: what an allowed package
// imports in its turn (encoding/binary imports reflect); what a function does with its imports is package source's check,
// that nothing forbidden is reachable the linked image's.
package rules

import (
	"fmt"
	"slices"
	"strings"

	"mortise/tools/oobvet/source"
)

// File is a source file of the firmware.
type File struct {
	Package string // path within the module, like "stack/oob"
	Name    string
	Imports []string // those of the module without its name, with a leading "./"
	Oob     bool     // holds a function that runs in the oob stage, or may
	Tamago  bool     // its build line asks for tamago
}

// Rule forbids imports to some files.
type Rule struct {
	Why     string
	Applies func(f *File) bool
	Allows  func(imported string) bool
}

// Rules are the import rules.
var Rules = []Rule{
	{
		Why: "oob code has no runtime services: nothing that allocates, locks, waits or prints, and nothing of in-band",
		Applies: func(f *File) bool {
			return f.Oob && !within(f.Package, faulty)
		},
		Allows: func(imported string) bool {
			return slices.Contains(source.Library, imported) || within(imported, "./drivers", "./stack", "./tasks") && !within(imported, inband...)
		},
	},
	{
		Why: "these packages are oob through and through, so that every stage can use all of them",
		Applies: func(f *File) bool {
			return slices.Contains(oobPackages, f.Package)
		},
		Allows: func(imported string) bool {
			path, own := strings.CutPrefix(imported, "./")
			return slices.Contains(source.Library, imported) || own && slices.Contains(oobPackages, path)
		},
	},
	{
		Why: "a stack knows no board: what depends on the board reaches it as configuration",
		Applies: func(f *File) bool {
			return within(f.Package, "stack")
		},
		Allows: func(imported string) bool {
			return !within(imported, "./board", "./image", "./tools")
		},
	},
	{
		Why: "a driver knows no board and no stack but the frames it fills, so that it serves any of them",
		Applies: func(f *File) bool {
			return within(f.Package, "drivers")
		},
		Allows: func(imported string) bool {
			return !within(imported, "./board", "./image", "./tools", "./stack") || imported == "./stack/frame"
		},
	},
	{
		Why: "only board/ names a board or a SoC of TamaGo's: another board is another folder there and nothing else",
		Applies: func(f *File) bool {
			return !within(f.Package, "board", stockPeer)
		},
		Allows: func(imported string) bool {
			return !within(imported, "github.com/usbarmory/tamago/board", "github.com/usbarmory/tamago/soc")
		},
	},
	{
		Why: "the firmware holds no host tool",
		Applies: func(f *File) bool {
			return !within(f.Package, "tools")
		},
		Allows: func(imported string) bool {
			return !within(imported, "./tools")
		},
	},
}

var (
	// oobPackages have no in-band half.
	oobPackages = []string{"drivers/mmio", "drivers/gic", "stack/core", "stack/filter", "stack/filter/rules", "stack/forward", "stack/frame", "stack/reassembly", "stack/wire"}
	// faulty is the test firmware whose oob code breaks the rules on purpose, to show that the stage contains it.
	faulty = "image/stagetest"
	// stockPeer is the firmware that ours is compared with: TamaGo's own board and drivers.
	stockPeer = "image/stockpeer"
	// inband are the packages that have no oob half.
	inband = []string{"./stack/admin", "./stack/console", "./stack/files", "./stack/gateway", "./stack/guard", "./stack/inband", "./stack/status"}
)

// within reports whether path is one of the folders or below one.
func within(path string, folders ...string) bool {
	return slices.ContainsFunc(folders, func(folder string) bool {
		return path == folder || strings.HasPrefix(path, folder+"/")
	})
}

// Violations says for each import that breaks a rule which file, which import and why.
func Violations(files []File) []string {
	var found []string
	for i := range files {
		f := &files[i]
		for _, rule := range Rules {
			if !rule.Applies(f) {
				continue
			}
			for _, imported := range f.Imports {
				if !rule.Allows(imported) {
					found = append(found, fmt.Sprintf("%s/%s imports %s: %s", f.Package, f.Name, imported, rule.Why))
				}
			}
		}
		if strings.Contains(f.Name, "_tamago") && !f.Tamago {
			found = append(found, fmt.Sprintf("%s/%s: its name says tamago, which constrains nothing: it needs a //go:build line",
				f.Package, f.Name))
		}
	}
	return found
}
