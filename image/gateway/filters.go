//go:build tamago

package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"

	"mortise"
)

// bundle is the filter programs that were put into the image: those that its configuration names.
var bundle = sync.OnceValues(func() (files map[string][]byte, err error) {
	err = json.Unmarshal(mortise.FiltersJSON, &files)
	return files, err
})

// filterFolder is where they are among the files of the console.
const filterFolder = "/filters/"

// program returns one of them, by the name that the configuration has for it or by that of its file on the console.
func program(name string) ([]byte, error) {
	files, _ := bundle() // bundled tells of its error
	if base, ok := strings.CutPrefix(name, filterFolder); ok {
		for file, content := range files {
			if path.Base(file) == base {
				return content, nil
			}
		}
	}
	return bundled(name)
}

// bundled returns one of them, by the name that the configuration has for it.
func bundled(name string) ([]byte, error) {
	files, err := bundle()
	if err != nil {
		return nil, fmt.Errorf("the image's filter programs: %w", err)
	}
	b, ok := files[name]
	if !ok {
		there := "there are none"
		if len(files) > 0 {
			there = "there are " + strings.Join(slices.Sorted(maps.Keys(files)), ", ")
		}
		return nil, fmt.Errorf("%s: %w among those of the configuration: %s", name, fs.ErrNotExist, there)
	}
	return b, nil
}
