package source

import (
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
	"slices"
	"strings"

	"golang.org/x/tools/go/types/typeutil"
)

// call checks a call: of what, and with what.
func (b *body) call(n *ast.CallExpr) {
	fun := ast.Unparen(n.Fun)
	if tv := b.info().Types[fun]; tv.IsType() {
		if len(n.Args) == 1 {
			b.conversion(n, tv.Type)
		}
		return
	}
	b.called(fun)
	if callee, ok := typeutil.Callee(b.info(), n).(*types.Builtin); ok {
		b.builtin(n, callee.Name())
		return
	}
	b.arguments(n)
	if s, ok := fun.(*ast.SelectorExpr); ok {
		if selection := b.info().Selections[s]; selection != nil && isTypeParam(selection.Recv()) {
			b.report(n.Pos(), ruleGeneric, "oob code calls a method of a type parameter: through a dictionary")
			return
		}
	}
	callee, ok := typeutil.Callee(b.info(), n).(*types.Func)
	if !ok {
		b.report(n.Pos(), ruleFunc, "oob code calls through a func value: no check knows where it goes")
		return
	}
	if recv := callee.Signature().Recv(); recv != nil && isInterface(recv.Type()) {
		b.report(n.Pos(), ruleInterface, "oob code calls through an interface: no check knows where it goes")
		return
	}
	b.static(n, callee.Origin())
}

// called marks what is called, so that it does not count as a value.
func (b *body) called(fun ast.Expr) {
	b.callees[fun] = true
	switch fun := fun.(type) {
	case *ast.SelectorExpr:
		b.callees[fun.Sel] = true
	case *ast.IndexExpr:
		b.called(ast.Unparen(fun.X))
	case *ast.IndexListExpr:
		b.called(ast.Unparen(fun.X))
	}
}

// arguments looks for interfaces made of arguments.
func (b *body) arguments(n *ast.CallExpr) {
	sig, ok := b.info().TypeOf(n.Fun).Underlying().(*types.Signature)
	if !ok || n.Ellipsis.IsValid() {
		return
	}
	params := sig.Params()
	for i, arg := range n.Args {
		switch {
		case sig.Variadic() && i >= params.Len()-1:
			if slice, ok := params.At(params.Len() - 1).Type().Underlying().(*types.Slice); ok {
				b.converts(arg, slice.Elem())
			}
		case i < params.Len():
			b.converts(arg, params.At(i).Type())
		}
	}
}

// static checks a call of a function that is known.
func (b *body) static(n *ast.CallExpr, callee *types.Func) {
	pkg := callee.Pkg()
	switch {
	case pkg == nil:
		b.report(n.Pos(), ruleInterface, "oob code calls %s", callee.Name())
	case pkg == b.pass.Pkg:
		to := b.byObj[callee]
		if to == nil || b.misplaced(n, callee) || b.directives.allows(b.pass.Fset, n.Pos(), ruleCall) {
			return
		}
		b.f.calls = append(b.f.calls, call{to, n.Pos()})
	case slices.Contains(Library, pkg.Path()):
		b.library(n, callee)
	case firstElement(pkg.Path()) != firstElement(b.pass.Pkg.Path()):
		b.report(n.Pos(), ruleCall, "oob code calls %s: oob code has no runtime services", callee.FullName())
	case b.stageOf(callee).Name == "":
		b.report(n.Pos(), ruleCall, "oob code calls %s, which does not say that it is oob code: the last line of its doc comment is to be //oob:stage oob or any", callee.FullName())
	default:
		b.misplaced(n, callee)
	}
}

// misplaced reports a call of a function that belongs in-band.
func (b *body) misplaced(n *ast.CallExpr, callee *types.Func) bool {
	s := b.stageOf(callee)
	if s.Name == "" || s.isOob() {
		return false
	}
	b.report(n.Pos(), ruleCall, "oob code calls %s, which is marked %s", callee.Name(), s.Name)
	return true
}

// library checks a call of a function of the standard library's allowed packages.
func (b *body) library(n *ast.CallExpr, callee *types.Func) {
	name := callee.Name()
	switch callee.Pkg().Path() {
	case "encoding/binary":
		if strings.HasPrefix(name, "Append") {
			b.report(n.Pos(), ruleAlloc, "oob code allocates: binary.%s", name)
		}
	case "sync/atomic":
		if !isAtomic32(callee) {
			b.report(n.Pos(), ruleAtomic, "oob code uses an atomic that is not 32 bits wide: on arm it spins, or stores a pointer")
		}
	}
}

// isAtomic32 reports whether a function or method of sync/atomic is a 32-bit one.
func isAtomic32(callee *types.Func) bool {
	if recv := callee.Signature().Recv(); recv != nil {
		t := recv.Type()
		if p, ok := t.(*types.Pointer); ok {
			t = p.Elem()
		}
		named, ok := types.Unalias(t).(*types.Named)
		return ok && slices.Contains([]string{"Bool", "Int32", "Uint32", "Uintptr"}, named.Obj().Name())
	}
	return strings.HasSuffix(callee.Name(), "Int32") || strings.HasSuffix(callee.Name(), "Uint32") || strings.HasSuffix(callee.Name(), "Uintptr")
}

// builtin checks a call of a builtin function.
func (b *body) builtin(n *ast.CallExpr, name string) {
	switch name {
	case "make":
		switch b.info().TypeOf(n).Underlying().(type) {
		case *types.Map:
			b.report(n.Pos(), ruleMap, "oob code makes a map")
		case *types.Chan:
			b.report(n.Pos(), ruleChannel, "oob code makes a channel")
		default:
			b.report(n.Pos(), ruleAlloc, "oob code allocates: make")
		}
	case "new", "append":
		b.report(n.Pos(), ruleAlloc, "oob code allocates: %s", name)
	case "delete":
		b.report(n.Pos(), ruleMap, "oob code uses a map")
	case "clear":
		b.clears(n)
	case "close":
		b.report(n.Pos(), ruleChannel, "oob code closes a channel")
	case "panic", "recover":
		b.report(n.Pos(), rulePanic, "oob code calls %s", name)
	case "print", "println":
		b.report(n.Pos(), ruleCall, "oob code calls %s: oob code has no runtime services", name)
	case "copy":
		b.copies(n)
	}
}

func (b *body) clears(n *ast.CallExpr) {
	t := b.info().TypeOf(n.Args[0])
	switch {
	case isMap(t):
		b.report(n.Pos(), ruleMap, "oob code uses a map")
	case hasPointers(t.Underlying().(*types.Slice).Elem()):
		b.report(n.Pos(), rulePointer, "oob code clears pointers: a write barrier")
	case !b.isOwnArray(n.Args[0]):
		b.report(n.Pos(), ruleCopy, "oob code clears what may be DMA memory: only whole aligned words may be stored there, one at a time")
	}
}

// copies checks the builtin copy: it moves by the widest accesses there are, at any alignment, which device memory does not
// take. Only arrays that are variables are known to be something else.
func (b *body) copies(n *ast.CallExpr) {
	if s, ok := b.info().TypeOf(n.Args[0]).Underlying().(*types.Slice); ok && hasPointers(s.Elem()) {
		b.report(n.Pos(), rulePointer, "oob code copies pointers: a write barrier")
	}
	for _, arg := range n.Args {
		if !b.isOwnArray(arg) {
			b.report(n.Pos(), ruleCopy, "oob code copies from or to what may be DMA memory: only aligned words may be moved there, one at a time")
			return
		}
	}
}

// isOwnArray reports whether e is a slice of an array that is a variable, or a part of one; or a constant.
func (b *body) isOwnArray(e ast.Expr) bool {
	if b.info().Types[e].Value != nil {
		return true
	}
	slice, ok := ast.Unparen(e).(*ast.SliceExpr)
	if !ok {
		return false
	}
	if _, isArray := b.info().TypeOf(slice.X).Underlying().(*types.Array); !isArray {
		return false
	}
	return b.isVariable(slice.X)
}

// isVariable reports whether e is a variable or a part of one, reached by no pointer but a package's variable's address.
func (b *body) isVariable(e ast.Expr) bool {
	switch e := ast.Unparen(e).(type) {
	case *ast.Ident:
		_, ok := b.info().ObjectOf(e).(*types.Var)
		return ok
	case *ast.SelectorExpr:
		if s := b.info().Selections[e]; s != nil {
			return !s.Indirect() && b.isVariable(e.X)
		}
		_, ok := b.info().Uses[e.Sel].(*types.Var)
		return ok
	case *ast.IndexExpr:
		_, isArray := b.info().TypeOf(e.X).Underlying().(*types.Array)
		return isArray && b.isVariable(e.X)
	}
	return false
}

// conversion checks a conversion to t.
func (b *body) conversion(n *ast.CallExpr, t types.Type) {
	from := b.info().TypeOf(n.Args[0])
	b.convertsType(n.Pos(), from, t)
	if b.info().Types[n].Value != nil {
		return
	}
	// Between string types nothing is made.
	if isString(t) != isString(from) {
		b.report(n.Pos(), ruleString, "oob code converts from or to a string: a copy on the heap")
	}
}

// divide checks x / y and x % y for integers: what is no instruction on arm is a call of the runtime.
func (b *body) divide(pos token.Pos, x, y ast.Expr) {
	basic, ok := b.info().TypeOf(x).Underlying().(*types.Basic)
	if !ok || basic.Info()&types.IsInteger == 0 {
		return
	}
	divisor := b.info().Types[y].Value
	wide := basic.Kind() == types.Int64 || basic.Kind() == types.Uint64
	switch {
	case divisor == nil && wide:
		b.report(pos, ruleDivide, "oob code divides 64-bit numbers: a call of the runtime on arm")
	case divisor == nil:
		b.report(pos, ruleDivide, "oob code divides by a variable: a call of the runtime on arm, and a panic when it is 0")
	case wide && !isPowerOfTwo(divisor):
		b.report(pos, ruleDivide, "oob code divides 64-bit numbers by no power of two: a call of the runtime on arm")
	}
}

func isPowerOfTwo(v constant.Value) bool {
	n, ok := constant.Uint64Val(constant.ToInt(v))
	return ok && n != 0 && n&(n-1) == 0
}

func isTypeParam(t types.Type) bool {
	if p, ok := t.(*types.Pointer); ok {
		t = p.Elem()
	}
	_, ok := types.Unalias(t).(*types.TypeParam)
	return ok
}

// staticCallee returns the function that a call is of, nil if that is not known.
func staticCallee(info *types.Info, n *ast.CallExpr) *types.Func {
	return typeutil.StaticCallee(info, n)
}
