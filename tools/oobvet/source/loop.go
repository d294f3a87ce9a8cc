package source

import (
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
)

// A loop is bounded when it counts a variable of its own, which nothing else changes, up to a constant or down from one:
// in its condition (alone, or with && beside others) or in an if that leaves it, first in its body. Any other loop states
// its bound: "//oob:loop CONSTANT why", an expression that the type checker knows the value of.

// forLoop checks a for statement.
func (b *body) forLoop(n *ast.ForStmt) {
	b.stated(n.Pos(), b.counts(n))
}

// rangeLoop checks a range statement.
func (b *body) rangeLoop(n *ast.RangeStmt) {
	for _, left := range []ast.Expr{n.Key, n.Value} {
		if left != nil && n.Tok == token.ASSIGN {
			b.store(left)
		}
	}
	t := b.info().TypeOf(n.X).Underlying()
	if p, ok := t.(*types.Pointer); ok {
		t = p.Elem().Underlying()
	}
	switch t := t.(type) {
	case *types.Array:
		b.stated(n.Pos(), true)
		return
	case *types.Basic:
		if t.Info()&types.IsString != 0 {
			b.report(n.Pos(), ruleString, "oob code decodes a string: a call of the runtime; index its bytes")
			return
		}
		if b.info().Types[n.X].Value != nil {
			b.stated(n.Pos(), true)
			return
		}
	case *types.Map:
		b.report(n.Pos(), ruleMap, "oob code uses a map")
		return
	case *types.Chan:
		b.report(n.Pos(), ruleChannel, "oob code receives from a channel")
		return
	case *types.Signature:
		b.report(n.Pos(), ruleFunc, "oob code ranges over a function")
		return
	}
	b.stated(n.Pos(), false)
}

// stated reports a loop that neither has a bound to see nor states one. What is stated of any is checked: the linked
// image's check may not see what is seen here.
func (b *body) stated(pos token.Pos, seen bool) {
	stated := b.directives.statement(b.pass.Fset, pos, "loop", "total")
	if stated == nil {
		if !seen {
			b.report(pos, ruleLoop, "no constant bounds this loop: state the bound with //oob:loop CONSTANT why")
		}
		return
	}
	tv, err := types.Eval(b.pass.Fset, b.pass.Pkg, pos, stated.text)
	if err != nil || tv.Value == nil || tv.Value.Kind() != constant.Int || constant.Sign(tv.Value) <= 0 {
		b.report(pos, ruleLoop, "the bound %q of this loop is no positive constant", stated.text)
	}
}

// A counter is the variable that a loop counts, by a constant step each time.
type counter struct {
	v    *types.Var
	up   bool
	step constant.Value
}

// counts reports whether a loop counts to a constant.
func (b *body) counts(n *ast.ForStmt) bool {
	c := b.counter(n)
	if c.v == nil || b.isAddressed(c.v) || b.isChanged(n.Body, c.v) || n.Cond != nil && b.isChanged(n.Cond, c.v) {
		return false
	}
	// Up, an unsigned variable may begin anywhere: it ends at the limit. Elsewhere the way would be long.
	if b.start(n.Init, c.v) == nil && !(c.up && isUnsigned(c.v)) {
		return false
	}
	if n.Cond != nil && b.limits(n.Cond, c) {
		return true
	}
	if len(n.Body.List) == 0 {
		return false
	}
	first, ok := n.Body.List[0].(*ast.IfStmt)
	return ok && first.Init == nil && leaves(first.Body) && b.exits(first.Cond, c)
}

// counter returns what the loop's last clause counts; v is nil if it counts nothing.
func (b *body) counter(n *ast.ForStmt) counter {
	one := constant.MakeInt64(1)
	switch post := n.Post.(type) {
	case *ast.IncDecStmt:
		return counter{b.local(post.X), post.Tok == token.INC, one}
	case *ast.AssignStmt:
		if len(post.Lhs) != 1 || post.Tok != token.ADD_ASSIGN && post.Tok != token.SUB_ASSIGN {
			return counter{}
		}
		step := b.info().Types[post.Rhs[0]].Value
		if step == nil || constant.Compare(step, token.LSS, one) {
			return counter{}
		}
		return counter{b.local(post.Lhs[0]), post.Tok == token.ADD_ASSIGN, step}
	}
	return counter{}
}

// local returns the local integer variable that e is.
func (b *body) local(e ast.Expr) *types.Var {
	id, ok := ast.Unparen(e).(*ast.Ident)
	if !ok {
		return nil
	}
	v, ok := b.info().ObjectOf(id).(*types.Var)
	if !ok || !b.isLocal(id) {
		return nil
	}
	if basic, ok := v.Type().Underlying().(*types.Basic); !ok || basic.Info()&types.IsInteger == 0 {
		return nil
	}
	return v
}

// start returns the constant that the loop's first clause gives the counter, nil for none.
func (b *body) start(init ast.Stmt, counter *types.Var) constant.Value {
	assign, ok := init.(*ast.AssignStmt)
	if !ok || len(assign.Lhs) != len(assign.Rhs) {
		return nil
	}
	for i, left := range assign.Lhs {
		if b.local(left) == counter {
			return b.info().Types[assign.Rhs[i]].Value
		}
	}
	return nil
}

// limits reports whether a condition holds only while the counter is short of a constant.
func (b *body) limits(cond ast.Expr, c counter) bool {
	n, ok := ast.Unparen(cond).(*ast.BinaryExpr)
	if !ok {
		return false
	}
	if n.Op == token.LAND {
		return b.limits(n.X, c) || b.limits(n.Y, c)
	}
	op, limit := b.comparison(n, c.v)
	return b.isInside(op, limit, c)
}

// exits reports whether a condition holds once the counter has reached a constant.
func (b *body) exits(cond ast.Expr, c counter) bool {
	n, ok := ast.Unparen(cond).(*ast.BinaryExpr)
	if !ok {
		return false
	}
	if n.Op == token.LOR {
		return b.exits(n.X, c) || b.exits(n.Y, c)
	}
	negated := map[token.Token]token.Token{token.GEQ: token.LSS, token.GTR: token.LEQ, token.LEQ: token.GTR, token.LSS: token.GEQ}
	op, limit := b.comparison(n, c.v)
	return b.isInside(negated[op], limit, c)
}

// comparison returns the comparison of v with a constant, as if v stood on the left. limit is nil if n is none.
func (b *body) comparison(n *ast.BinaryExpr, v *types.Var) (op token.Token, limit constant.Value) {
	mirrored := map[token.Token]token.Token{token.LSS: token.GTR, token.GTR: token.LSS, token.LEQ: token.GEQ, token.GEQ: token.LEQ}
	switch v {
	case b.local(n.X):
		return n.Op, b.info().Types[n.Y].Value
	case b.local(n.Y):
		return mirrored[n.Op], b.info().Types[n.X].Value
	}
	return token.ILLEGAL, nil
}

// isInside reports whether "counter op limit" ends a loop: it is false beyond limit, and the last step before does not wrap.
func (b *body) isInside(op token.Token, limit constant.Value, c counter) bool {
	if limit == nil || c.up != (op == token.LSS || op == token.LEQ) || !c.up && op != token.GTR && op != token.GEQ {
		return false
	}
	bits := uint(8 * b.pass.TypesSizes.Sizeof(c.v.Type()))
	one := constant.MakeInt64(1)
	lowest, highest := constant.MakeInt64(0), constant.Shift(one, token.SHL, bits)
	if !isUnsigned(c.v) {
		highest = constant.Shift(one, token.SHL, bits-1)
		lowest = constant.UnaryOp(token.SUB, highest, 0)
	}
	highest = constant.BinaryOp(highest, token.SUB, one)
	last := limit // the last value that the condition holds for
	switch op {
	case token.LSS:
		last = constant.BinaryOp(limit, token.SUB, one)
	case token.GTR:
		last = constant.BinaryOp(limit, token.ADD, one)
	}
	if c.up {
		return constant.Compare(constant.BinaryOp(last, token.ADD, c.step), token.LEQ, highest)
	}
	return constant.Compare(constant.BinaryOp(last, token.SUB, c.step), token.GEQ, lowest)
}

func isUnsigned(v *types.Var) bool {
	basic, ok := v.Type().Underlying().(*types.Basic)
	return ok && basic.Info()&types.IsUnsigned != 0
}

// isAddressed reports whether the address of v is taken anywhere: then others can change it.
func (b *body) isAddressed(v *types.Var) bool {
	addressed := false
	ast.Inspect(b.f.decl.Body, func(n ast.Node) bool {
		if n, ok := n.(*ast.UnaryExpr); ok && n.Op == token.AND {
			addressed = addressed || b.local(n.X) == v
		}
		return !addressed
	})
	return addressed
}

// isChanged reports whether v is assigned to in n.
func (b *body) isChanged(n ast.Node, v *types.Var) bool {
	changed := false
	ast.Inspect(n, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			for _, left := range n.Lhs {
				changed = changed || b.local(left) == v
			}
		case *ast.IncDecStmt:
			changed = changed || b.local(n.X) == v
		case *ast.RangeStmt:
			for _, left := range []ast.Expr{n.Key, n.Value} {
				changed = changed || left != nil && b.local(left) == v
			}
		}
		return !changed
	})
	return changed
}

// leaves reports whether a block ends by leaving the loop that it stands in.
func leaves(block *ast.BlockStmt) bool {
	if len(block.List) == 0 {
		return false
	}
	switch last := block.List[len(block.List)-1].(type) {
	case *ast.ReturnStmt:
		return true
	case *ast.BranchStmt:
		return last.Tok == token.BREAK && last.Label == nil
	}
	return false
}
