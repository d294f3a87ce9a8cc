// This file is part of Mortise's port of GOOS=tamago.

//go:build !tamago

package fsys

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// ReplaceDir makes the regular files of the directory from appear in the
// directory mtpt, in place of the ones that are there. Entries of the -overlay
// file win over it.
func ReplaceDir(from, mtpt string) error {
	had := make(map[string]bool, len(overlay))
	for _, r := range overlay {
		had[r.from] = true
	}

	list := slices.Clone(overlay)
	add := func(name, to string) {
		if at := abs(filepath.Join(mtpt, name)); !had[at] {
			had[at] = true
			list = append(list, replace{from: at, to: to})
		}
	}

	entries, err := os.ReadDir(from)
	if err != nil {
		return fmt.Errorf("reading overlay directory: %v", err)
	}
	for _, e := range entries {
		if e.Type().IsRegular() {
			add(e.Name(), abs(filepath.Join(from, e.Name())))
		}
	}

	old, err := os.ReadDir(mtpt)
	if err != nil {
		return fmt.Errorf("reading overlay directory: %v", err)
	}
	for _, e := range old {
		if e.Type().IsRegular() {
			add(e.Name(), "") // deleted
		}
	}

	slices.SortFunc(list, func(x, y replace) int { return cmp(x.from, y.from) })
	overlay = list

	if OverlayFile == "" {
		// The compiler's path rewriting looks at this name only.
		OverlayFile = from
	}

	return nil
}
