package check

import "strings"

// rule names the functions of the run-time system that are one kind of finding.
type rule struct {
	kind, why string
	prefixes  []string
}

// rules are looked through in order.
var rules = []rule{
	{"write barrier", "a pointer is stored to memory that the garbage collector sees",
		[]string{"runtime.gcWriteBarrier", "runtime.wb", "runtime.typedmem", "runtime.typedslice", "runtime.bulkBarrier", "runtime.reflect_typedmem"}},
	{"map", "a map is used",
		[]string{"runtime.map", "runtime.makemap", "internal/runtime/maps."}},
	{"channel", "a channel is used",
		[]string{"runtime.chan", "runtime.makechan", "runtime.closechan", "runtime.select", "runtime.block"}},
	{"allocation", "memory is allocated",
		[]string{"runtime.newobject", "runtime.newarray", "runtime.malloc", "runtime.makeslice", "runtime.growslice", "runtime.concat",
			"runtime.slicebytetostring", "runtime.slicerunetostring", "runtime.stringto", "runtime.intstring", "runtime.rawstring",
			"runtime.rawbyte", "runtime.conv", "runtime.moveSlice"}},
	{"interface", "an interface is asked for its type or compared",
		[]string{"runtime.assert", "runtime.typeAssert", "runtime.interfaceSwitch", "runtime.ifaceeq", "runtime.efaceeq", "runtime.interequal",
			"runtime.nilinterequal", "runtime.getitab", "runtime.panicdottype", "runtime.panicnildottype"}},
	{"bounds check", "an index or a slice's bounds are checked, and may fail",
		[]string{"runtime.panicIndex", "runtime.panicSlice", "runtime.panicBounds", "runtime.goPanicIndex", "runtime.goPanicSlice", "runtime.panicExtend"}},
	{"division", "a division is left to the run-time system, or may be by zero",
		[]string{"runtime.udiv", "runtime._udiv", "runtime._div", "runtime._sdiv", "runtime._mod", "runtime._umod", "runtime.uint64div",
			"runtime.uint64mod", "runtime.int64div", "runtime.int64mod", "runtime._uint64", "runtime.panicdivide"}},
	{"floating point", "a conversion of floating-point numbers",
		[]string{"runtime.float", "runtime.int64tofloat", "runtime.uint64tofloat", "runtime.int32tofloat", "runtime.fadd", "runtime.fmul", "runtime.fdiv"}},
	{"panic", "a panic remains",
		[]string{"runtime.panic", "runtime.gopanic", "runtime.goPanic", "runtime.throw", "runtime.fatal", "runtime.sigpanic", "runtime.gorecover"}},
	{"defer", "a call is deferred",
		[]string{"runtime.defer"}},
	{"scheduler", "the scheduler is asked",
		[]string{"runtime.newproc", "runtime.gopark", "runtime.goready", "runtime.Gosched", "runtime.gosched", "runtime.mcall", "runtime.ready", "runtime.Goexit",
			"runtime.park", "runtime.semacquire", "runtime.semrelease"}},
	{"lock", "a lock or another wait of package sync",
		[]string{"sync.", "internal/sync."}},
}

// leaves are functions of the run-time system that are checked like any other.
var leaves = []string{"runtime.memmove", "runtime.memclrNoHeapPointers", "runtime.duffzero", "runtime.duffcopy", "runtime.memequal", "runtime.cmpstring"}

// services are packages of which oob code may call nothing.
var services = []string{"runtime", "internal/runtime/", "internal/abi", "reflect", "syscall", "os", "time", "fmt", "log", "errors", "net", "io", "internal/poll"}

// isTrap reports whether name is what a function's prologue calls when the stack is used up: in the oob stage that faults,
// and the stack's bound shows that it does not happen.
func isTrap(name string) bool { return strings.HasPrefix(name, "runtime.morestack") }

// forbidden returns the rule that a call of the function name breaks.
func forbidden(name string) (kind, why string, ok bool) {
	for _, leaf := range leaves {
		if name == leaf {
			return "", "", false
		}
	}
	for _, r := range rules {
		for _, p := range r.prefixes {
			if strings.HasPrefix(name, p) {
				return r.kind, r.why, true
			}
		}
	}
	for _, p := range services {
		if strings.HasPrefix(name, p+".") || strings.HasPrefix(name, strings.TrimSuffix(p, "/")+"/") {
			return "runtime service", "a service of in-band's", true
		}
	}
	return "", "", false
}

// returns reports whether control comes back from the function name.
func (c *checker) returns(name string) bool {
	kind, _, _ := forbidden(name)
	switch {
	case isTrap(name), kind == "panic" && name != "runtime.gorecover", kind == "bounds check", name == "runtime.panicdivide":
		return false
	case strings.HasPrefix(name, "runtime.panicdottype"), strings.HasPrefix(name, "runtime.panicnildottype"):
		return false
	}
	return true
}
