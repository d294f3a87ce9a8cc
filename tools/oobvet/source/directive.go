package source

import (
	"go/ast"
	"go/build/constraint"
	"go/token"
	"go/types"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/tools/go/analysis"
)

// Stage is the stage that a function's doc comment says; a fact about the function. The zero value says none.
type Stage struct {
	Name string // oob, any, inband or init
}

// AFact makes it a fact.
func (*Stage) AFact() {}

func (s *Stage) String() string { return s.Name }

// isOob reports whether the function runs in the oob stage, or may.
func (s Stage) isOob() bool { return s.Name == "oob" || s.Name == "any" }

const (
	prefix      = "//oob:"
	stagePrefix = prefix + "stage "
)

// stages are the stages there are.
var stages = []string{"oob", "any", "inband", "init"}

// IsOob reports whether a function's doc comment says that it runs in the oob stage, or may.
func IsOob(doc *ast.CommentGroup) bool {
	return doc != nil && slices.ContainsFunc(doc.List, func(c *ast.Comment) bool {
		name, ok := strings.CutPrefix(c.Text, stagePrefix)
		return ok && (Stage{name}).isOob()
	})
}

// isLinkname reports whether a function's doc comment gives it another's name.
func isLinkname(doc *ast.CommentGroup) bool {
	return doc != nil && slices.ContainsFunc(doc.List, func(c *ast.Comment) bool {
		return strings.HasPrefix(c.Text, "//go:linkname ")
	})
}

// permission is an //oob:allow: rules that are broken on purpose.
type permission struct {
	pos   token.Pos
	rule  Rule
	first int // lines it is for
	last  int
	used  bool
}

// statement is an //oob:loop or //oob:total, the constant that a loop's turns do not exceed, or an //oob:calls, the targets
// of an indirect call. tools/oobcheck, which checks the linked image, has them proven or counts by them.
type statement struct {
	pos  token.Pos
	word string
	line int
	text string
	used bool
}

// directives are the comments of a package that begin with //oob:.
type directives struct {
	stages      map[*ast.FuncDecl]Stage
	permissions map[string][]*permission // by file
	statements  map[string][]*statement
}

// readDirectives reads them, and reports those that are wrong.
func readDirectives(pass *analysis.Pass) directives {
	d := directives{map[*ast.FuncDecl]Stage{}, map[string][]*permission{}, map[string][]*statement{}}
	for _, file := range pass.Files {
		if isTest(pass.Fset, file) {
			continue
		}
		r := reader{pass: pass, d: d, file: file}
		for _, group := range file.Comments {
			for _, comment := range group.List {
				r.read(group, comment)
			}
		}
	}
	return d
}

// reader reads the directives of a file.
type reader struct {
	pass *analysis.Pass
	d    directives
	file *ast.File
}

func (r *reader) read(group *ast.CommentGroup, c *ast.Comment) {
	if strings.HasPrefix(c.Text, "// oob:") {
		r.wrong(c, "a directive has no space behind //: it would be text")
		return
	}
	text, ok := strings.CutPrefix(c.Text, prefix)
	if !ok {
		return
	}
	text, _, _ = strings.Cut(text, " // ") // a comment on the directive
	word, rest, _ := strings.Cut(text, " ")
	decl, isDoc := r.function(group, c)
	switch {
	case word == "stage":
		r.stage(c, decl, isDoc, rest)
	case word == "allow" && decl != nil:
		r.allow(c, decl, isDoc, rest)
	case slices.Contains(statements, word) && decl != nil && !isDoc:
		r.statement(c, decl, word, rest)
	case word == "allow":
		r.wrong(c, "//oob:allow is for a function, in its doc comment, or for a line in it")
	case slices.Contains(statements, word):
		r.wrong(c, "//oob:%s is for a line in a function: on it or on the one above", word)
	default:
		r.wrong(c, "unknown directive //oob:%s: want stage, allow, %s", word, strings.Join(statements, ", "))
	}
}

// statements are the words of statements.
var statements = []string{"loop", "total", "calls"}

func (r *reader) statement(c *ast.Comment, decl *ast.FuncDecl, word, text string) {
	what, why, _ := strings.Cut(text, " ")
	if word == "total" { // each call of a function
		_, why, _ = strings.Cut(why, " ")
	}
	if strings.TrimSpace(why) == "" {
		r.wrong(c, "//oob:%s %s: say why", word, what)
	}
	s := &statement{pos: c.Pos(), word: word, line: r.line(c.Pos()), text: what}
	if r.alone(c, decl) {
		s.line++
	}
	name := r.pass.Fset.Position(c.Pos()).Filename
	r.d.statements[name] = append(r.d.statements[name], s)
}

// function returns the function that a comment belongs to, and whether it is in its doc comment.
func (r *reader) function(group *ast.CommentGroup, c *ast.Comment) (decl *ast.FuncDecl, isDoc bool) {
	for _, d := range r.file.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		if fn.Doc == group {
			return fn, true
		}
		if fn.Body != nil && fn.Body.Pos() <= c.Pos() && c.Pos() <= r.lineEnd(fn.End()) {
			return fn, false
		}
	}
	return nil, false
}

// lineEnd returns the last position of pos's line.
func (r *reader) lineEnd(pos token.Pos) token.Pos {
	f := r.pass.Fset.File(pos)
	if line := f.Line(pos); line < f.LineCount() {
		return f.LineStart(line+1) - 1
	}
	return token.Pos(f.Base() + f.Size())
}

func (r *reader) stage(c *ast.Comment, decl *ast.FuncDecl, isDoc bool, name string) {
	switch {
	case !isDoc:
		r.wrong(c, "//oob:stage is for a function: the last line of its doc comment")
	case !slices.Contains(stages, name):
		r.wrong(c, "stage %q: want %s", name, strings.Join(stages, ", "))
	case r.d.stages[decl].Name != "":
		r.wrong(c, "%s says its stage twice", decl.Name.Name)
	default:
		r.d.stages[decl] = Stage{name}
	}
}

func (r *reader) allow(c *ast.Comment, decl *ast.FuncDecl, isDoc bool, text string) {
	list, why, _ := strings.Cut(text, " ")
	if strings.TrimSpace(why) == "" {
		r.wrong(c, "//oob:allow %s: say why", list)
		return
	}
	at := r.pass.Fset.Position(c.Pos())
	first, last := at.Line, at.Line+1
	if isDoc {
		first, last = r.line(decl.Pos()), r.line(decl.End())
	} else if !r.alone(c, decl) {
		last = first
	}
	for _, rule := range strings.Split(list, ",") {
		if !slices.Contains(Names, Rule(rule)) {
			r.wrong(c, "//oob:allow %s: there is no such rule", rule)
			continue
		}
		p := &permission{pos: c.Pos(), rule: Rule(rule), first: first, last: last}
		r.d.permissions[at.Filename] = append(r.d.permissions[at.Filename], p)
	}
}

// alone reports whether no code of the function stands in front of the comment on its line.
func (r *reader) alone(c *ast.Comment, decl *ast.FuncDecl) bool {
	alone, line := true, r.line(c.Pos())
	ast.Inspect(decl, func(n ast.Node) bool {
		if n == nil {
			return false
		}
		if _, isComment := n.(*ast.CommentGroup); isComment {
			return false
		}
		if n.Pos() < c.Pos() && (r.line(n.Pos()) == line || r.line(n.End()-1) == line) {
			alone = false
		}
		return alone
	})
	return alone
}

func (r *reader) line(pos token.Pos) int { return r.pass.Fset.Position(pos).Line }

func (r *reader) wrong(c *ast.Comment, format string, args ...any) {
	r.pass.ReportRangef(c, format+" [stage]", args...)
}

// stage returns the stage that a function says.
func (d *directives) stage(decl *ast.FuncDecl) Stage { return d.stages[decl] }

// allows reports whether a rule may be broken at pos.
func (d *directives) allows(fset *token.FileSet, pos token.Pos, rule Rule) bool {
	at := fset.Position(pos)
	if rule == ruleFunc && d.statement(fset, pos, "calls") != nil {
		return true
	}
	for _, p := range d.permissions[at.Filename] {
		if p.rule == rule && p.first <= at.Line && at.Line <= p.last {
			p.used = true
			return true
		}
	}
	return false
}

// statement returns the statement with one of words for the line of pos, nil for none.
func (d *directives) statement(fset *token.FileSet, pos token.Pos, words ...string) *statement {
	at := fset.Position(pos)
	for _, s := range d.statements[at.Filename] {
		if s.line == at.Line && slices.Contains(words, s.word) {
			s.used = true
			return s
		}
	}
	return nil
}

// leftovers reports the directives that nothing needed.
func (d *directives) leftovers(pass *analysis.Pass) {
	for _, file := range pass.Files {
		name := pass.Fset.Position(file.Pos()).Filename
		if isDouble(pass.Fset, file) {
			continue
		}
		for _, p := range d.permissions[name] {
			if !p.used {
				pass.Reportf(p.pos, "//oob:allow %s: nothing here needs it [stage]", p.rule)
			}
		}
		for _, s := range d.statements[name] {
			if !s.used {
				pass.Reportf(s.pos, "//oob:%s: oob code has nothing here that it is for [stage]", s.word)
			}
		}
	}
}

func isTest(fset *token.FileSet, file *ast.File) bool {
	return strings.HasSuffix(fset.Position(file.Pos()).Filename, "_test.go")
}

// isDouble reports whether no firmware is built from a file: its build line is false wherever tamago is true.
func isDouble(fset *token.FileSet, file *ast.File) bool {
	for _, group := range file.Comments {
		if group.Pos() > file.Package {
			break
		}
		for _, c := range group.List {
			if !constraint.IsGoBuild(c.Text) {
				continue
			}
			if expr, err := constraint.Parse(c.Text); err == nil {
				return !satisfiable(expr)
			}
		}
	}
	return false
}

// satisfiable reports whether a choice of the other tags makes expr true with tamago.
func satisfiable(expr constraint.Expr) bool {
	var others []string // Eval asks for every tag, whatever the others say
	expr.Eval(func(tag string) bool {
		if tag != "tamago" && !slices.Contains(others, tag) {
			others = append(others, tag)
		}
		return false
	})
	for set := range 1 << len(others) {
		if expr.Eval(func(tag string) bool {
			i := slices.Index(others, tag)
			return tag == "tamago" || i >= 0 && set>>i&1 != 0
		}) {
			return true
		}
	}
	return false
}

// hasPointers reports whether a value of type t holds a pointer that the garbage collector follows.
func hasPointers(t types.Type) bool {
	switch u := t.Underlying().(type) {
	case *types.Basic:
		return u.Info()&types.IsString != 0 || u.Kind() == types.UnsafePointer || u.Kind() == types.UntypedNil
	case *types.Array:
		return u.Len() > 0 && hasPointers(u.Elem())
	case *types.Struct:
		for i := range u.NumFields() {
			if hasPointers(u.Field(i).Type()) {
				return true
			}
		}
		return false
	}
	return true
}

// firstElement returns the first element of an import path: that of the module, or of the standard library.
func firstElement(path string) string {
	first, _, _ := strings.Cut(filepath.ToSlash(path), "/")
	return first
}
