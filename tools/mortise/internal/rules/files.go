package rules

import (
	"go/ast"
	"go/build"
	"go/build/constraint"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"

	"mortise/tools/oobvet/source"
)

// module is the name in go.mod.
const module = "mortise"

// Tags are the build tags that add code to a firmware image. The last is the toolchain's.
var Tags = []string{"load_gc", "load_spin", "load_print", "load_reload", "load_send", "load_bulk", "tasks", "tasks_latency", "tasks_selftest", "tasks_control", "tasks_sockecho", "tasks_socktest", "inject", "mortise.preempt"}

// Contexts are the ways to build the firmware: each architecture, with no tag and with all.
func Contexts(tags ...string) []build.Context {
	var contexts []build.Context
	for _, arch := range []string{"arm", "arm64"} {
		c := build.Default
		c.GOOS, c.GOARCH, c.CgoEnabled, c.BuildTags = "tamago", arch, false, tags
		contexts = append(contexts, c)
	}
	return contexts
}

// Load returns the Go files below the module's root from which firmware is built in one of the contexts, tests and host
// tools excepted.
func Load(root string, contexts []build.Context) ([]File, error) {
	var files []File
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if path != root && (name[0] == '.' || name[0] == '_' || name == "testdata" || name == "build") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		dir, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil || within(dir, "tools") {
			return err
		}
		if ok, err := matches(path, contexts); err != nil || !ok {
			return err
		}
		f, err := parse(path)
		if err != nil {
			return err
		}
		f.Package, f.Name = filepath.ToSlash(dir), name
		files = append(files, f)
		return nil
	})
	return files, err
}

// matches reports whether the file is built in one of the contexts.
func matches(path string, contexts []build.Context) (bool, error) {
	for _, c := range contexts {
		if ok, err := c.MatchFile(filepath.Dir(path), filepath.Base(path)); ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

// parse reads what the rules are about from a Go file.
func parse(path string) (File, error) {
	var f File
	tree, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return f, err
	}
	for _, spec := range tree.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return f, err
		}
		if imported == module {
			imported = "."
		} else if own, ok := strings.CutPrefix(imported, module+"/"); ok {
			imported = "./" + own
		}
		f.Imports = append(f.Imports, imported)
	}
	for _, decl := range tree.Decls {
		if fn, ok := decl.(*ast.FuncDecl); ok && source.IsOob(fn.Doc) {
			f.Oob = true
		}
	}
	f.Tamago = asksForTamago(tree)
	return f, nil
}

// asksForTamago reports whether the file's build line mentions tamago.
func asksForTamago(tree *ast.File) bool {
	for _, group := range tree.Comments {
		for _, c := range group.List {
			if constraint.IsGoBuild(c.Text) && strings.Contains(c.Text, "tamago") {
				return true
			}
		}
	}
	return false
}
