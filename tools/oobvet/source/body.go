package source

import (
	"go/ast"
	"go/token"
	"go/types"
)

// body checks the body of one oob function.
type body struct {
	*checker
	f       *function
	callees map[ast.Expr]bool // expressions that are called, not used as values
}

func (b *body) check() {
	b.callees = map[ast.Expr]bool{}
	ast.Inspect(b.f.decl.Body, b.node)
}

func (b *body) info() *types.Info { return b.pass.TypesInfo }

// node checks a node by itself, and reports whether to look at what is in it.
func (b *body) node(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.GoStmt:
		b.report(n.Pos(), ruleGo, "oob code starts a goroutine")
	case *ast.DeferStmt:
		b.report(n.Pos(), ruleDefer, "oob code defers a call")
	case *ast.SendStmt:
		b.report(n.Pos(), ruleChannel, "oob code sends to a channel")
	case *ast.SelectStmt:
		b.report(n.Pos(), ruleChannel, "oob code selects")
	case *ast.BranchStmt:
		if n.Tok == token.GOTO {
			b.report(n.Pos(), ruleLoop, "oob code jumps with goto: a loop without a bound to see")
		}
	case *ast.FuncLit:
		b.report(n.Pos(), ruleFunc, "oob code makes a closure")
		return false // its body is of no stage
	case *ast.TypeAssertExpr:
		b.report(n.Pos(), ruleInterface, "oob code looks at an interface's type")
	case *ast.AssignStmt:
		b.assign(n)
	case *ast.ValueSpec:
		b.declare(n)
	case *ast.ReturnStmt:
		b.returns(n)
	case *ast.CompositeLit:
		b.literal(n)
	case *ast.UnaryExpr:
		b.unary(n)
	case *ast.BinaryExpr:
		b.binary(n)
	case *ast.IndexExpr:
		if isMap(b.info().TypeOf(n.X)) {
			b.report(n.Pos(), ruleMap, "oob code uses a map")
		}
	case *ast.ForStmt:
		b.forLoop(n)
	case *ast.RangeStmt:
		b.rangeLoop(n)
	case *ast.CallExpr:
		b.call(n)
	}
	if e, ok := n.(ast.Expr); ok {
		b.value(e)
	}
	return true
}

// value checks what kind of value an expression is.
func (b *body) value(e ast.Expr) {
	if id, ok := e.(*ast.Ident); ok {
		if v, ok := b.info().Defs[id].(*types.Var); ok { // declared here
			b.kind(e, v.Type())
			return
		}
	}
	tv, ok := b.info().Types[e]
	if !ok || !tv.IsValue() || tv.Value != nil || b.callees[e] {
		return
	}
	if _, isTuple := tv.Type.(*types.Tuple); isTuple {
		return
	}
	b.kind(e, tv.Type)
	if id, ok := e.(*ast.SelectorExpr); ok {
		if _, isFunc := b.info().Uses[id.Sel].(*types.Func); isFunc {
			b.report(e.Pos(), ruleFunc, "oob code uses the function %s as a value", id.Sel.Name)
		}
	}
	if id, ok := e.(*ast.Ident); ok {
		if _, isFunc := b.info().Uses[id].(*types.Func); isFunc {
			b.report(e.Pos(), ruleFunc, "oob code uses the function %s as a value", id.Name)
		}
	}
}

// kind reports values that oob code has no use for.
func (b *body) kind(e ast.Expr, t types.Type) {
	if _, isParam := types.Unalias(t).(*types.TypeParam); isParam {
		return
	}
	switch u := t.Underlying().(type) {
	case *types.Interface:
		b.report(e.Pos(), ruleInterface, "oob code uses an interface value")
	case *types.Basic:
		if u.Info()&(types.IsFloat|types.IsComplex) != 0 {
			b.report(e.Pos(), ruleFloat, "oob code computes with floating point: the registers are in-band's")
		}
	}
}

// assign checks where the values go, and of what the operation is.
func (b *body) assign(n *ast.AssignStmt) {
	for i, left := range n.Lhs {
		if len(n.Rhs) == len(n.Lhs) {
			b.converts(n.Rhs[i], b.info().TypeOf(left))
		} else if t, ok := b.info().TypeOf(n.Rhs[0]).(*types.Tuple); ok && i < t.Len() {
			b.convertsType(n.Rhs[0].Pos(), t.At(i).Type(), b.info().TypeOf(left))
		}
		if n.Tok != token.DEFINE {
			b.store(left)
		}
	}
	switch n.Tok {
	case token.QUO_ASSIGN, token.REM_ASSIGN:
		b.divide(n.Pos(), n.Lhs[0], n.Rhs[0])
	case token.ADD_ASSIGN:
		if isString(b.info().TypeOf(n.Lhs[0])) {
			b.report(n.Pos(), ruleString, "oob code builds a string")
		}
	}
}

// store checks an assignment to an expression.
func (b *body) store(left ast.Expr) {
	t := b.info().TypeOf(left)
	if t == nil || isBlank(left) || b.isLocal(left) || !hasPointers(t) {
		return
	}
	b.report(left.Pos(), rulePointer, "oob code stores a pointer outside its stack: a write barrier, and the garbage collector does not see it")
}

// isLocal reports whether a variable, or a part of one, lies in the function's own frame.
func (b *body) isLocal(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.ParenExpr:
		return b.isLocal(e.X)
	case *ast.Ident:
		obj := b.info().ObjectOf(e)
		return obj != nil && obj.Pkg() != nil && obj.Parent() != obj.Pkg().Scope()
	case *ast.SelectorExpr:
		if s := b.info().Selections[e]; s != nil {
			return !s.Indirect() && b.isLocal(e.X)
		}
	case *ast.IndexExpr:
		if _, isArray := b.info().TypeOf(e.X).Underlying().(*types.Array); isArray {
			return b.isLocal(e.X)
		}
	}
	return false
}

func (b *body) declare(n *ast.ValueSpec) {
	if n.Type == nil {
		return
	}
	for _, v := range n.Values {
		b.converts(v, b.info().TypeOf(n.Type))
	}
}

func (b *body) returns(n *ast.ReturnStmt) {
	results := b.f.obj.Signature().Results()
	for i, e := range n.Results {
		if len(n.Results) == results.Len() {
			b.converts(e, results.At(i).Type())
		}
		if u, ok := ast.Unparen(e).(*ast.UnaryExpr); ok && u.Op == token.AND && b.isLocal(u.X) {
			b.report(e.Pos(), ruleAlloc, "oob code allocates: a variable whose address is returned")
		}
	}
}

// literal checks a composite literal.
func (b *body) literal(n *ast.CompositeLit) {
	t := b.info().TypeOf(n)
	switch u := t.Underlying().(type) {
	case *types.Slice:
		b.report(n.Pos(), ruleAlloc, "oob code allocates: a slice literal")
		b.elements(n, u.Elem())
	case *types.Pointer:
		b.report(n.Pos(), ruleAlloc, "oob code allocates: the address of a literal")
	case *types.Map:
		b.report(n.Pos(), ruleMap, "oob code makes a map")
	case *types.Array:
		b.elements(n, u.Elem())
	case *types.Struct:
		for i, e := range n.Elts {
			field := i
			if kv, ok := e.(*ast.KeyValueExpr); ok {
				e = kv.Value
				if v, ok := b.info().Uses[kv.Key.(*ast.Ident)].(*types.Var); ok {
					b.converts(e, v.Type())
				}
				continue
			}
			b.converts(e, u.Field(field).Type())
		}
	}
}

func (b *body) elements(n *ast.CompositeLit, t types.Type) {
	for _, e := range n.Elts {
		if kv, ok := e.(*ast.KeyValueExpr); ok {
			e = kv.Value
		}
		b.converts(e, t)
	}
}

func (b *body) unary(n *ast.UnaryExpr) {
	switch n.Op {
	case token.AND:
		if _, ok := ast.Unparen(n.X).(*ast.CompositeLit); ok {
			b.report(n.Pos(), ruleAlloc, "oob code allocates: the address of a literal")
		}
	case token.ARROW:
		b.report(n.Pos(), ruleChannel, "oob code receives from a channel")
	}
}

func (b *body) binary(n *ast.BinaryExpr) {
	if b.info().Types[n].Value != nil {
		return
	}
	switch n.Op {
	case token.QUO, token.REM:
		b.divide(n.OpPos, n.X, n.Y)
	case token.ADD:
		if isString(b.info().TypeOf(n)) {
			b.report(n.OpPos, ruleString, "oob code builds a string")
		}
	}
}

// converts reports the conversion of a value to an interface by its use as one of type to.
func (b *body) converts(e ast.Expr, to types.Type) { b.convertsType(e.Pos(), b.info().TypeOf(e), to) }

func (b *body) convertsType(pos token.Pos, from, to types.Type) {
	if isInterface(to) && from != nil && from != types.Typ[types.UntypedNil] && !isInterface(from) {
		b.report(pos, ruleInterface, "oob code makes an interface value of a %s", types.TypeString(from, types.RelativeTo(b.pass.Pkg)))
	}
}

func isBlank(e ast.Expr) bool {
	id, ok := e.(*ast.Ident)
	return ok && id.Name == "_"
}

func isInterface(t types.Type) bool {
	if t == nil {
		return false
	}
	if _, isParam := types.Unalias(t).(*types.TypeParam); isParam {
		return false
	}
	return types.IsInterface(t)
}

func isMap(t types.Type) bool {
	if t == nil {
		return false
	}
	_, ok := t.Underlying().(*types.Map)
	return ok
}

func isString(t types.Type) bool {
	if t == nil {
		return false
	}
	basic, ok := t.Underlying().(*types.Basic)
	return ok && basic.Info()&types.IsString != 0
}
