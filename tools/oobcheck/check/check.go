// Package check checks oob code in a linked image: what can be reached from the stage's entries in the machine code, that
// none of it is forbidden, how much stack it takes and how many instructions, at worst.
//
// It decodes the code itself, from each entry on, so that nothing escapes it that is in the image: inlined code, what the
// compiler adds, assembly. A call of runtime.morestack is where the stack would end: it faults, and the bound of the stack
// shows that no activation gets there. The bound of a loop is derived from the code where a counter is compared with a
// constant, else taken from an annotation in the source.
//
// Stage: host. Follows: ARM DDI 0406C.d (A32 encoding, chapter A5), ARM DDI 0487 (A64 encoding, chapter C4), Go's ABIs for
// GOARCH=arm and arm64 (cmd/compile/abi-internal.md), DWARF 5. Does not support: other processors; code that changes itself;
// the addresses that loads and stores go to, but for what align.go says (a wild access is caught when it happens); on arm, floating point,
// which is refused as a whole.
package check

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strings"
)

// Config says what to check.
type Config struct {
	File    string   // the image
	Root    string   // the module's root, for annotations; "" ignores them
	Tags    []string // build tags of the image
	Entries []string // functions at which an activation begins
	Stack   string   // symbol of the stack
	// Guard is how many bytes at the stack's low end a function that looks at the guard may not touch.
	Guard int
	// Saver is the function that saves vector registers before an entry runs, "" for the entry itself. Those that it does
	// not save may not change. For arm64; for arm none may.
	Saver string
	// Device are the packages that touch devices' registers and memory, by import path; those below too, if it ends in "/".
	Device []string
}

// Gateway is the configuration for a firmware image: the vectors of stack/stage.
func Gateway(file, root string, tags []string) Config {
	const stage = "mortise/stack/stage."
	return Config{
		File: file, Root: root, Tags: tags, Stack: stage + "stack", Guard: 928,
		Entries: []string{stage + "fiqVector", stage + "downVector", stage + "contain"},
		Saver:   stage + "fiqVector",
		Device:  []string{module + "/drivers/", module + "/stack/wire", module + "/stack/oob"},
	}
}

type checker struct {
	Config
	image       *image
	source      sources
	stackSymbol symbol
	functions   map[uint64]*function // done
	active      map[uint64]bool      // being visited
}

func newChecker(config Config, im *image) *checker {
	return &checker{
		Config: config, image: im, functions: map[uint64]*function{}, active: map[uint64]bool{},
		source: sources{
			root: config.Root, arch: im.arch, tags: config.Tags, files: map[string]map[int][]annotation{}, fset: token.NewFileSet(),
			types: map[string]*types.Package{}, trees: map[string]map[string]*ast.File{},
		},
	}
}

// Run checks an image. The error is about the image or the configuration: what is found in the code is in the report.
func Run(config Config) (*Report, error) {
	im, err := openImage(config.File)
	if err != nil {
		return nil, err
	}
	defer im.file.Close()
	c := newChecker(config, im)
	var ok bool
	if c.stackSymbol, ok = im.byName[config.Stack]; !ok {
		return nil, fmt.Errorf("%s: no symbol %s", config.File, config.Stack)
	}
	r := &Report{File: config.File, StackBytes: int(c.stackSymbol.end - c.stackSymbol.addr), GuardBytes: config.Guard}
	var saver *function
	if config.Saver != "" {
		sym, ok := im.named(config.Saver)
		if !ok {
			return nil, fmt.Errorf("%s: no symbol %s", config.File, config.Saver)
		}
		saver = c.visit(sym)
	}
	for _, name := range config.Entries {
		sym, ok := im.named(name)
		if !ok {
			return nil, fmt.Errorf("%s: no symbol %s", config.File, name)
		}
		root := c.visit(sym)
		c.returned(root, sym.addr, root)
		by := saver
		if by == nil {
			by = root
		}
		r.Entries = append(r.Entries, c.entry(root, by, r.StackBytes-r.GuardBytes))
	}
	return r, nil
}

// report notes a finding, once.
func (c *checker) report(f *function, pc uint64, kind, format string, args ...any) {
	found := finding{pc, kind, fmt.Sprintf(format, args...)}
	if !slices.Contains(f.findings, found) {
		f.findings = append(f.findings, found)
	}
}

// visit checks a function and all that it calls.
func (c *checker) visit(sym symbol) *function {
	if f := c.functions[sym.addr]; f != nil {
		return f
	}
	c.active[sym.addr] = true
	f := c.scan(sym)
	f.worst = f.stack
	for n := range f.blocks {
		b := &f.blocks[n]
		for k := range b.insns {
			for _, callee := range c.callees(f, &b.insns[k]) {
				f.callees = append(f.callees, edge{b.insns[k].pc, callee})
				b.callees = append(b.callees, callee)
				c.join(f, &b.insns[k], b.depth[k], callee)
				f.unbounded = f.unbounded || callee.unbounded
				if depth := b.depth[k] + callee.worst; depth > f.worst {
					f.worst, f.worstAt = depth, &edge{b.insns[k].pc, callee}
				}
			}
		}
		last := b.insns[len(b.insns)-1]
		b.dead = last.ends && (last.flow == call || last.flow == trap)
	}
	c.count(f)
	c.align(f)
	delete(c.active, sym.addr)
	c.functions[sym.addr] = f
	return f
}

// join notes how callee, called or branched to by i with depth bytes of stack in use, leaves the stack.
func (c *checker) join(f *function, i *insn, depth int32, callee *function) {
	if i.flow != branch {
		c.returned(f, i.pc, callee)
		return
	}
	for _, e := range callee.ends {
		if e.depth += depth; !slices.Contains(f.ends, e) {
			f.ends = append(f.ends, e)
		}
	}
}

// returned reports in f that callee does not return as it was called.
func (c *checker) returned(f *function, pc uint64, callee *function) {
	for _, e := range callee.ends {
		if e.depth == 0 {
			continue
		}
		if f == callee {
			pc = e.pc
		}
		c.report(f, pc, "stack", "%s returns with %d bytes of stack in use", short(callee.name), e.depth)
	}
}

// callees visits what i calls and returns it. What may not be called is reported and not looked into.
func (c *checker) callees(f *function, i *insn) (callees []*function) {
	var targets []symbol
	switch {
	case i.flow == call, i.flow == branch && (i.target < f.addr || i.target >= f.end):
		if s, ok := c.image.function(i.target); ok {
			s.addr = i.target // duffzero is entered in its middle
			targets = append(targets, s)
		}
	case i.flow == callRegister:
		targets = c.listed(f, i.pc)
	}
	for _, s := range targets {
		if isTrap(s.name) {
			continue
		}
		if kind, why, bad := forbidden(s.name); bad {
			c.report(f, i.pc, kind, "%s: %s", s.name, why)
			continue
		}
		if c.active[s.addr] {
			c.report(f, i.pc, "recursion", "%s calls itself", s.name)
			f.unbounded = true
			continue
		}
		callees = append(callees, c.visit(s))
	}
	return callees
}

// listed returns the targets that an annotation gives to the indirect call at pc.
func (c *checker) listed(f *function, pc uint64) (targets []symbol) {
	a, ok := c.source.at(c.image.position(pc), "calls")
	if !ok || a.arg == "" {
		return nil
	}
	for name := range strings.SplitSeq(a.arg, ",") {
		s, ok := c.image.named(name)
		if !ok {
			c.report(f, pc, "indirect call", "the annotation lists %s, which is not in the image", name)
			continue
		}
		targets = append(targets, s)
	}
	return targets
}
