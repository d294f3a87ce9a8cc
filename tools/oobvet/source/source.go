// Package source checks the rules for oob code in Go source: a go/analysis pass.
//
// A function whose doc comment ends with the line "//oob:stage oob" or "any" is oob code, and so is what it calls. Each
// function on the way must say its stage itself, so that a package is checked by itself: what a call into another package
// needs to know of the callee is a fact. Where a rule is broken on purpose the code says so, with the reason, in the doc
// comment or at the line: "//oob:allow RULE why"; a permission that nothing needs is a finding.
//
// Tests and host doubles (files whose build line excludes tamago) are free, but double must say the stage of the original.
//
// Stage: host. Follows: docs/oobrules.md. Does not support: what only the compiler knows (escapes,
// bounds checks that remain, what is inlined), assembly, aliases of DMA memory; the check of the linked image sees them.
package source

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"strings"

	"golang.org/x/tools/go/analysis"
)

// Analyzer is the pass.
var Analyzer = &analysis.Analyzer{
	Name:      "oobvet",
	Doc:       "report code of the oob stage that breaks the stage's rules (docs/oobrules.md)",
	Run:       run,
	FactTypes: []analysis.Fact{new(Stage)},
}

// A Rule has a name, by which it is reported and allowed.
type Rule string

// The rules. Names has them all; docs/oobrules.md says why.
const (
	ruleStage     Rule = "stage"
	ruleCall      Rule = "call"
	ruleAlloc     Rule = "alloc"
	rulePointer   Rule = "pointer"
	ruleMap       Rule = "map"
	ruleChannel   Rule = "channel"
	ruleInterface Rule = "interface"
	ruleFunc      Rule = "func"
	ruleDefer     Rule = "defer"
	ruleGo        Rule = "go"
	ruleString    Rule = "string"
	ruleGeneric   Rule = "generic"
	ruleFloat     Rule = "float"
	ruleDivide    Rule = "divide"
	rulePanic     Rule = "panic"
	ruleRecursion Rule = "recursion"
	ruleLoop      Rule = "loop"
	ruleCopy      Rule = "copy"
	ruleAtomic    Rule = "atomic"
)

// Names are the names of all rules.
var Names = []Rule{
	ruleStage, ruleCall, ruleAlloc, rulePointer, ruleMap, ruleChannel, ruleInterface, ruleFunc, ruleDefer, ruleGo, ruleString,
	ruleGeneric, ruleFloat, ruleDivide, rulePanic, ruleRecursion, ruleLoop, ruleCopy, ruleAtomic,
}

// Library is what oob code may use of the standard library: it calls no service of the runtime. Of sync/atomic only what
// is 32 bits wide, of encoding/binary what neither allocates nor takes an interface.
var Library = []string{"unsafe", "math/bits", "encoding/binary", "sync/atomic"}

// function is a function declared in the package.
type function struct {
	obj    *types.Func
	decl   *ast.FuncDecl
	stage  Stage
	double bool // in a file that no firmware is built from
	calls  []call
	by     *function // who made it oob code; nil: its own stage line
	oob    bool
	state  int // of the search for recursion
}

// call is a static call of a function of the same package.
type call struct {
	to  *function
	pos token.Pos
}

// checker checks a package.
type checker struct {
	pass       *analysis.Pass
	directives directives
	funcs      []*function // in source order
	byObj      map[*types.Func]*function
	reported   map[string]bool
}

func run(pass *analysis.Pass) (any, error) {
	c := &checker{pass: pass, byObj: map[*types.Func]*function{}, reported: map[string]bool{}}
	c.directives = readDirectives(pass)
	for _, file := range pass.Files {
		if isTest(pass.Fset, file) {
			continue
		}
		double := isDouble(pass.Fset, file)
		for _, decl := range file.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok {
				c.declare(fn, double)
			}
		}
	}
	c.follow()
	c.findRecursion()
	c.inbandCalls()
	c.directives.leftovers(c.pass)
	return nil, nil
}

// declare takes a function in, and tells other packages its stage.
func (c *checker) declare(decl *ast.FuncDecl, double bool) {
	obj, ok := c.pass.TypesInfo.Defs[decl.Name].(*types.Func)
	if !ok {
		return
	}
	f := &function{obj: obj, decl: decl, double: double, stage: c.directives.stage(decl)}
	c.funcs = append(c.funcs, f)
	c.byObj[obj] = f
	if f.stage.Name != "" {
		c.pass.ExportObjectFact(obj, &f.stage)
	}
}

// follow checks every function marked as oob code and what it calls in this package.
func (c *checker) follow() {
	var queue []*function
	for _, f := range c.funcs {
		if f.stage.isOob() {
			f.oob = true
			queue = append(queue, f)
		}
	}
	for len(queue) > 0 {
		f := queue[0]
		queue = queue[1:]
		if f.by != nil && f.stage.Name == "" {
			c.report(f.decl.Name.Pos(), ruleStage, "%s is called from oob code (%s) and does not say its stage: the last line of its doc comment is to be //oob:stage oob or any",
				f.obj.Name(), f.by.obj.Name())
		}
		if f.double {
			continue
		}
		if f.decl.Body == nil {
			if isLinkname(f.decl.Doc) {
				c.report(f.decl.Name.Pos(), ruleCall, "%s is another package's function by linkname: no check looks into it", f.obj.Name())
			}
			continue
		}
		(&body{checker: c, f: f}).check()
		for _, call := range f.calls {
			if !call.to.oob {
				call.to.oob, call.to.by = true, f
				queue = append(queue, call.to)
			}
		}
	}
}

// States of a function in the search for recursion.
const (
	unseen = iota
	entered
	left
)

// findRecursion reports each call that closes a cycle. Cycles through several packages there are none: imports have none,
// and calls through values are findings themselves.
func (c *checker) findRecursion() {
	var path []*function
	var visit func(f *function)
	visit = func(f *function) {
		f.state = entered
		path = append(path, f)
		for _, call := range f.calls {
			switch call.to.state {
			case unseen:
				visit(call.to)
			case entered:
				c.report(call.pos, ruleRecursion, "recursion: %s", cycle(path, call.to))
			}
		}
		path = path[:len(path)-1]
		f.state = left
	}
	for _, f := range c.funcs {
		if f.oob && f.state == unseen {
			visit(f)
		}
	}
}

// cycle names the functions of path from the one called again on.
func cycle(path []*function, again *function) string {
	var names []string
	for _, f := range path {
		if f == again || names != nil {
			names = append(names, f.obj.Name())
		}
	}
	return strings.Join(append(names, again.obj.Name()), " → ")
}

// inbandCalls reports calls of what only the oob stage may run from functions that say they are in-band's.
func (c *checker) inbandCalls() {
	for _, f := range c.funcs {
		if f.decl.Body == nil || f.stage.Name == "" || f.stage.isOob() {
			continue
		}
		ast.Inspect(f.decl.Body, func(n ast.Node) bool {
			if n, ok := n.(*ast.CallExpr); ok {
				if callee := staticCallee(c.pass.TypesInfo, n); callee != nil && c.stageOf(callee).Name == "oob" {
					c.report(n.Pos(), ruleStage, "%s runs in the oob stage only, and %s is marked %s", callee.Name(), f.obj.Name(), f.stage.Name)
				}
			}
			return true
		})
	}
}

// stageOf returns the stage that a function says, in this package or another.
func (c *checker) stageOf(fn *types.Func) Stage {
	fn = fn.Origin()
	if f := c.byObj[fn]; f != nil {
		return f.stage
	}
	var s Stage
	c.pass.ImportObjectFact(fn, &s)
	return s
}

// report reports a finding unless a directive allows it, once a line.
func (c *checker) report(pos token.Pos, rule Rule, format string, args ...any) {
	if c.directives.allows(c.pass.Fset, pos, rule) {
		return
	}
	message := fmt.Sprintf(format, args...) + fmt.Sprintf(" [%s]", rule)
	at := c.pass.Fset.Position(pos)
	key := fmt.Sprintf("%s:%d:%s", at.Filename, at.Line, message)
	if rule == ruleInterface || rule == ruleFloat { // an expression of such a type has others in it
		key = fmt.Sprintf("%s:%d:%s", at.Filename, at.Line, rule)
	}
	if c.reported[key] {
		return
	}
	c.reported[key] = true
	c.pass.Report(analysis.Diagnostic{Pos: pos, Category: string(rule), Message: message})
}
