package check

import (
	"errors"
	"fmt"
	"go/ast"
	"go/build"
	gocst "go/constant"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// module is the name in go.mod, with which file names begin in an image that was built with -trimpath.
const module = "mortise"

// annotation is a comment of the source that tells the check what it cannot see:
//
//	//oob:loop EXPR why           at most EXPR rounds, a constant expression of the package
//	//oob:total EXPR FUNC why     at most EXPR rounds in each call of FUNC, however often the loop is entered
//	//oob:calls NAME,NAME why     the targets of this line's indirect call
//	//oob:burst why               this line's block access goes to aligned, normal memory
type annotation struct {
	kind, arg, scope string
}

// sources reads annotations, and the constants they name.
type sources struct {
	root  string
	arch  string // GOARCH of the image
	tags  []string
	files map[string]map[int][]annotation
	fset  *token.FileSet
	types map[string]*types.Package // by import path
	trees map[string]map[string]*ast.File
}

// path returns where the file that the line table calls name lies, "" if it is not the module's.
func (s *sources) path(name string) string {
	if rest, ok := strings.CutPrefix(name, module+"/"); ok {
		return filepath.Join(s.root, filepath.FromSlash(rest))
	}
	if rel, err := filepath.Rel(s.root, name); err == nil && filepath.IsLocal(rel) {
		return name
	}
	return ""
}

// at returns the annotation of a line that is of one of the kinds. A comment that has its line for itself belongs to the next one.
func (s *sources) at(p Position, kinds ...string) (annotation, bool) {
	path := s.path(p.File)
	if path == "" {
		return annotation{}, false
	}
	lines, ok := s.files[path]
	if !ok {
		lines = map[int][]annotation{}
		if text, err := os.ReadFile(path); err == nil {
			lines = annotations(string(text))
		}
		s.files[path] = lines
	}
	for _, a := range lines[p.Line] {
		if slices.Contains(kinds, a.kind) {
			return a, true
		}
	}
	return annotation{}, false
}

func annotations(text string) map[int][]annotation {
	lines := map[int][]annotation{}
	for n, l := range strings.Split(text, "\n") {
		parts := strings.Split(l, "//oob:")
		at := n + 1
		if strings.TrimSpace(parts[0]) == "" {
			at++
		}
		for _, comment := range parts[1:] {
			if a, ok := parseAnnotation(comment); ok {
				lines[at] = append(lines[at], a)
			}
		}
	}
	return lines
}

func parseAnnotation(comment string) (a annotation, ok bool) {
	var why string
	a.kind, why, _ = strings.Cut(comment, " ")
	switch a.kind {
	case "burst":
	case "loop", "calls":
		a.arg, why, _ = strings.Cut(strings.TrimSpace(why), " ")
	case "total":
		a.arg, why, _ = strings.Cut(strings.TrimSpace(why), " ")
		a.scope, why, _ = strings.Cut(strings.TrimSpace(why), " ")
	default:
		return a, false
	}
	if strings.TrimSpace(why) == "" { // no reason given: as if it were not there
		a.arg = ""
		return a, a.kind != "burst"
	}
	return a, true
}

// eval returns the value of a constant expression in the package of the file that p names.
func (s *sources) eval(p Position, expr string) (int64, error) {
	if expr == "" {
		return 0, errors.New("the annotation wants a constant and a reason behind it")
	}
	path := s.path(p.File)
	dir, err := filepath.Rel(s.root, filepath.Dir(path))
	if err != nil {
		return 0, err
	}
	imported := module + "/" + filepath.ToSlash(dir)
	pkg, err := s.Import(imported)
	if err != nil {
		return 0, err
	}
	pos := token.NoPos
	if tree := s.trees[imported][filepath.Base(path)]; tree != nil {
		pos = tree.End() - 1 // in the file's scope, where its imports are
		if len(tree.Decls) > 0 {
			pos = tree.Decls[len(tree.Decls)-1].Pos()
		}
	}
	tv, err := types.Eval(s.fset, pkg, pos, strings.ReplaceAll(expr, "const_", ""))
	if err != nil {
		return 0, err
	}
	if tv.Value == nil {
		return 0, fmt.Errorf("%s is no constant", expr)
	}
	n, ok := gocst.Int64Val(gocst.ToInt(tv.Value))
	if !ok || n < 0 {
		return 0, fmt.Errorf("%s = %v is no count", expr, tv.Value)
	}
	return n, nil
}

// Import type-checks a package's declarations, as it is built for the target. Packages of others are empty: the constants
// of the module do not depend on them, or else they are no constants to the check.
func (s *sources) Import(path string) (*types.Package, error) {
	if p := s.types[path]; p != nil {
		return p, nil
	}
	if path == "unsafe" {
		return types.Unsafe, nil
	}
	empty := types.NewPackage(path, path[strings.LastIndex(path, "/")+1:])
	empty.MarkComplete()
	s.types[path] = empty
	rest, ok := strings.CutPrefix(path, module+"/")
	if !ok {
		return empty, nil
	}
	dir := filepath.Join(s.root, filepath.FromSlash(rest))
	target := build.Default
	target.GOOS, target.GOARCH, target.CgoEnabled, target.BuildTags = "tamago", s.arch, false, s.tags
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var files []*ast.File
	s.trees[path] = map[string]*ast.File{}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		if ok, err := target.MatchFile(dir, e.Name()); err != nil || !ok {
			continue
		}
		tree, err := parser.ParseFile(s.fset, filepath.Join(dir, e.Name()), nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		files = append(files, tree)
		s.trees[path][e.Name()] = tree
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s has no Go files", dir)
	}
	config := types.Config{
		Importer: s, IgnoreFuncBodies: true, Sizes: types.SizesFor("gc", s.arch),
		Error: func(error) {}, // of what the empty packages do not declare
	}
	p, _ := config.Check(path, s.fset, files, nil)
	s.types[path] = p
	return p, nil
}
