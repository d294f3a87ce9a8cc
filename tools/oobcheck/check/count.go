package check

import (
	"maps"
	"slices"
	"strings"
)

// count computes the most instructions that the function executes: the longest way through its blocks, in which each loop
// counts as one, as often as its bound allows.
func (c *checker) count(f *function) {
	dom := f.dominators()
	loops, reducible := f.loops(dom)
	if !reducible {
		c.report(f, f.addr, "loop", "a loop with two ways in")
		f.unbounded = true
		return
	}
	var whole map[int]*state
	if len(loops) > 0 {
		_, whole = c.solve(f, 0, nil)
	}
	f.most, f.extra = map[string]int64{}, map[string]map[uint64]int64{"": nil}
	for _, e := range f.callees {
		for scope := range e.callee.extra {
			f.addExtra(scope, e.callee.extra[scope])
		}
	}
	for n, l := range loops {
		c.bind(f, l, loops[:n], c.derive(f, l, dom, whole))
		if l.scope != "" {
			f.addExtra(l.scope, nil)
		}
	}
	for scope := range f.extra {
		f.most[scope] = f.longest(scope, loops)
	}
	for scope, extra := range f.extra {
		if scope == "" || !strings.HasSuffix(f.name, "/"+scope) && f.name != scope {
			continue
		}
		// Every call of the function is a scope of its own.
		total := f.most[scope]
		for _, n := range extra {
			total += n
		}
		f.most[""] = min(f.most[""], total)
		delete(f.extra, scope)
	}
}

func (f *function) addExtra(scope string, extra map[uint64]int64) {
	if scope == "" {
		return
	}
	if f.extra[scope] == nil {
		f.extra[scope] = map[uint64]int64{}
	}
	maps.Copy(f.extra[scope], extra)
}

// cost returns what a call of f costs in a scope.
func (f *function) cost(scope string) int64 {
	if n, ok := f.most[scope]; ok && f.extra[scope] != nil {
		return n
	}
	return f.most[""]
}

// longest returns the cost of the most expensive way through the function.
func (f *function) longest(scope string, loops []*loop) int64 {
	w := ways{f: f, scope: scope}
	all := map[int]bool{}
	for n := range f.blocks {
		b := &f.blocks[n]
		cost := int64(len(b.insns))
		for _, callee := range b.callees {
			cost += callee.cost(scope)
		}
		w.node, w.cost, w.dead = append(w.node, n), append(w.cost, cost), append(w.dead, b.dead)
		all[n] = true
	}
	for _, l := range loops {
		w.collapse(l)
	}
	most := int64(0)
	for _, d := range w.longest(all, 0, -1) {
		most = max(most, d)
	}
	return most
}

// bind settles the bound of a loop, whose inner loops are among inner: derived, or what an annotation says.
func (c *checker) bind(f *function, l *loop, inner []*loop, derived int64) {
	l.bound = derived
	head := f.blocks[l.head].insns[0].pc
	at, a, found := c.annotated(f, l, inner)
	if found && a.kind == "total" {
		n, err := c.source.eval(at, a.arg)
		if err != nil || a.scope == "" {
			c.report(f, head, "annotation", "%v: %v", at, err)
		} else {
			l.scope, l.total = a.scope, n
			if l.bound < 0 {
				l.bound = n // of one call of the function, in any case
			}
		}
	} else if found {
		stated, err := c.source.eval(at, a.arg)
		switch {
		case err != nil:
			c.report(f, head, "annotation", "%v: %v", at, err)
		case derived > stated:
			c.report(f, head, "annotation", "%v: %d rounds stated (%s), %d derived from the code", at, stated, a.arg, derived)
		case derived < 0:
			l.bound = stated
		}
	}
	f.bounds = append(f.bounds, Loop{f.name, c.image.position(head), l.bound, derived >= 0, l.total, l.scope})
	if l.bound < 0 {
		c.report(f, head, "loop", "no bound could be derived for the loop, and none is stated (//oob:loop CONSTANT why)")
		f.unbounded = true
		l.bound = 1
	}
}

// annotated returns the annotation on a line of the loop that no inner loop has.
func (c *checker) annotated(f *function, l *loop, inner []*loop) (Position, annotation, bool) {
	within := func(n int) bool {
		for _, i := range inner {
			if len(i.blocks) < len(l.blocks) && l.blocks[i.head] && i.blocks[n] {
				return true
			}
		}
		return false
	}
	taken := map[Position]bool{}
	for n := range l.blocks {
		if within(n) {
			for _, i := range f.blocks[n].insns {
				taken[c.image.position(i.pc)] = true
			}
		}
	}
	for n := range f.blocks {
		if !l.blocks[n] || within(n) {
			continue
		}
		for _, i := range f.blocks[n].insns {
			p := c.image.position(i.pc)
			if a, ok := c.source.at(p, "loop", "total"); ok && !taken[p] {
				return p, a, true
			}
		}
	}
	return Position{}, annotation{}, false
}

// ways is the function's flow with its loops collapsed to nodes, from the inner to the outer.
type ways struct {
	f     *function
	scope string
	node  []int // of each block
	cost  []int64
	dead  []bool
}

// collapse makes a node of the loop: bound rounds from the head to a jump back, then one that ends wherever there is a way out.
func (w *ways) collapse(l *loop) {
	to := w.longest(l.blocks, l.head, -1)
	round, last := int64(0), int64(0)
	for _, latch := range l.latches {
		round = max(round, to[w.node[latch]])
	}
	for n := range l.blocks {
		if w.f.leaves(n, l.blocks) {
			last = max(last, to[w.node[n]])
		}
	}
	rounds := l.bound
	if l.scope != "" && l.scope == w.scope {
		rounds = 0
		w.f.extra[w.scope][w.f.blocks[l.head].insns[0].pc] = l.total * round
	}
	cost := rounds*round + last
	if l.test >= 0 && rounds > 0 {
		// After all its rounds the loop is left at the test; one that is left elsewhere, behind it, has made a round less.
		out := int64(0)
		for _, d := range w.longest(l.blocks, l.head, l.test) {
			out = max(out, d)
		}
		cost = max(rounds*round+out, (rounds-1)*round+last)
	}
	node := len(w.cost)
	w.cost = append(w.cost, cost)
	w.dead = append(w.dead, false)
	for n := range l.blocks {
		w.node[n] = node
	}
}

// leaves reports whether there is a way from block n that does not go on among the blocks: out of them, or out of the function.
func (f *function) leaves(n int, blocks map[int]bool) bool {
	b := &f.blocks[n]
	if len(b.succ) == 0 || slices.ContainsFunc(b.succ, func(s int) bool { return !blocks[s] }) {
		return true
	}
	return slices.ContainsFunc(b.insns, func(i insn) bool {
		return i.flow == ret || i.flow == jumpRegister || i.flow == branch && (i.target < f.addr || i.target >= f.end)
	})
}

// longest returns for each node of the blocks the cost of the most expensive way to it from the block head, both included.
// Ways into a trap do not count, nor do those that go on among the blocks from block end, if that is not −1.
func (w *ways) longest(blocks map[int]bool, head, end int) map[int]int64 {
	pred := map[int][]int{}
	for n := range blocks {
		for _, s := range w.f.blocks[n].succ {
			if n != end && blocks[s] && w.node[s] != w.node[n] && w.node[s] != w.node[head] {
				pred[w.node[s]] = append(pred[w.node[s]], w.node[n])
			}
		}
	}
	dist := map[int]int64{}
	var visit func(n int) int64
	visit = func(n int) int64 {
		if d, ok := dist[n]; ok {
			return d
		}
		best := int64(0)
		reached := n == w.node[head]
		for _, p := range pred[n] {
			if d := visit(p); d > 0 {
				best, reached = max(best, d), true
			}
		}
		d := best + w.cost[n]
		if w.dead[n] || !reached {
			d = 0
		}
		dist[n] = d
		return d
	}
	for n := range blocks {
		visit(w.node[n])
	}
	return dist
}
