package oobtext

import (
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The images are built before the tests run: make test does, and says where in these variables.
const (
	production = "MORTISE_ELF"
	withLoad   = "MORTISE_LOAD_ELF" // [LOAD=]PATH, several separated by colons
	withInject = "MORTISE_INJECT_ELF"
)

// images opens what env names.
func images(t *testing.T, env string) []*Image {
	t.Helper()
	var opened []*Image
	for _, value := range filepath.SplitList(os.Getenv(env)) {
		_, path, found := strings.Cut(value, "=")
		if !found {
			path = value
		}
		im, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		opened = append(opened, im)
	}
	if opened == nil {
		t.Skipf("%s names no firmware: make test sets it", env)
	}
	return opened
}

// What the production image and those under load do in the oob stage is the same, instruction for instruction: a latency
// measured under load is the production image's. The stage is entered by its vectors, stack/stage's functions of that
// name; fault containment is behind them, too.
func TestOobTextIsTheSameUnderLoad(t *testing.T) {
	plain := images(t, production)[0]
	vectors := plain.Functions(func(name string) bool {
		return strings.HasPrefix(name, "mortise/stack/stage.") && strings.HasSuffix(name, "Vector")
	})
	names, err := plain.Reachable(vectors, "mortise")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"mortise/stack/stage.dispatch", "mortise/stack/core.Deliver"} {
		if !slices.Contains(names, name) {
			t.Errorf("%s is not reachable from %q: the test sees too little", name, vectors)
		}
	}
	bytes := uint32(0)
	for _, name := range names {
		bytes += plain.funcs[name].size
		for _, load := range images(t, withLoad) {
			if d := Diff(plain, load, name); d != "" {
				t.Error(d)
			}
		}
	}
	t.Logf("%d functions, %d bytes, are reachable from %q", len(names), bytes, vectors)
}

// Neither the load nor the fault injection is in the production image, and each is in its own.
func TestTestCodeIsInTestImagesOnly(t *testing.T) {
	const main = "../../../../image/gateway"
	plain := images(t, production)[0]
	for _, tt := range []struct {
		env  string
		tags []string
	}{
		{withLoad, []string{"load_gc", "load_spin"}},
		{withInject, []string{"inject"}},
	} {
		extra := functions(t, main, tt.tags...)
		for name := range functions(t, main) {
			delete(extra, name)
		}
		own, found := images(t, tt.env), 0
		for name := range extra {
			for _, im := range own {
				if im.Has("main." + name) {
					found++
				}
			}
			for _, symbol := range plain.Functions(func(s string) bool {
				return s == "main."+name || strings.HasPrefix(s, "main."+name+".")
			}) {
				t.Errorf("%s is in the production image; it belongs to %s", symbol, tt.env)
			}
		}
		if found == 0 {
			t.Errorf("none of %d functions of the tags %v is in %s", len(extra), tt.tags, tt.env)
		}
	}
}

// The production image has nothing that injects a fault, in code or in data: no symbol of the test image's, not even the
// empty hook, which is inlined.
func TestNoInjectionInProduction(t *testing.T) {
	named := func(im *Image) (names []string) {
		for _, s := range im.symbols {
			if strings.HasPrefix(s.name, "main.") && strings.Contains(strings.ToLower(s.name), "inject") {
				names = append(names, s.name)
			}
		}
		return names
	}
	if names := named(images(t, production)[0]); names != nil {
		t.Errorf("the production image has %q", names)
	}
	if named(images(t, withInject)[0]) == nil {
		t.Error("the test image has nothing of that name either: the test sees nothing")
	}
}

// functions returns the names of the functions that a package for the target declares with the given tags.
func functions(t *testing.T, dir string, tags ...string) map[string]bool {
	t.Helper()
	c := build.Default
	c.GOOS, c.GOARCH, c.CgoEnabled, c.BuildTags = "tamago", "arm", false, tags
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, e := range entries {
		if ok, err := c.MatchFile(dir, e.Name()); err != nil || !ok || !strings.HasSuffix(e.Name(), ".go") {
			continue
		}
		tree, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, e.Name()), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range tree.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name != "init" {
				names[fn.Name.Name] = true
			}
		}
	}
	return names
}
