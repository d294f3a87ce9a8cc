//go:build tamago

// Command corpus is what the tests of package check look at: functions that each do one thing which oob code may not,
// and some that only look like it. A comment above each says what is to be found. It is linked, never run.
//
//	want KIND …         each of these kinds, and no other
//	want PASS N …       nothing, and loops with these bounds
//	want arm64: KIND …  where it is something else for that GOARCH
package main

// kept keeps the linker from dropping what nothing calls.
var kept []func()

func keep(f ...func()) { kept = append(kept, f...) }

func main() {
	start()
	for _, f := range kept {
		f()
	}
}

// What the functions read and write, variables so that the compiler does not see through.
var (
	n      uint32 = 3
	signed int32  = 3
	wide   uint64 = 3
	real_         = 1.5
	table  [64]uint32
	bytes  [256]byte
	slice  []uint32
	target *node
	sink   any
	text   string
	lookup map[uint32]uint32
	queue  chan uint32
	call   func()
	method interface{ Method() }
)

type node struct {
	next  *node
	value uint32
}

type implementer struct{}

func (implementer) Method() {}

func init() { call, method = unbounded, implementer{} }
