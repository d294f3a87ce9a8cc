//go:build tamago

package main

import (
	"fmt"
	"runtime"
	"strings"
)

// thrown are panics of several kinds, each with what recover must give.
var thrown = []struct {
	want string
	fn   func(list []int, none map[int]int, anything any)
}{
	{"index out of range [5] with length 3", func(list []int, _ map[int]int, _ any) { list[5]++ }},
	{"slice bounds out of range", func(list []int, _ map[int]int, _ any) { _ = list[len(list)+1:] }},
	{"nil map", func(_ []int, none map[int]int, _ any) { none[1] = 1 }},
	{"interface conversion", func(_ []int, _ map[int]int, anything any) { _ = anything.(fmt.Stringer) }},
	{"divide by zero", func(list []int, _ map[int]int, _ any) { list[0] /= list[1] }},
	{"first, second", func([]int, map[int]int, any) {
		defer func() { panic(fmt.Sprint(recover(), ", second")) }()
		panic("first")
	}},
}

// stressPanics panics below some frames, each of which has a deferred call,
// and has a goroutine ended from as deep.
func stressPanics(n int) (err error) {
	depth, t := n%20+1, thrown[n%len(thrown)]
	deferred := 0
	var down func(left int, end func())
	down = func(left int, end func()) {
		defer func() { deferred++ }()
		if left == 1 {
			end()
		}
		down(left-1, end)
	}

	text := ""
	func() {
		defer func() { text = fmt.Sprint(recover()) }()
		down(depth, func() { t.fn(make([]int, 3), nil, n) })
	}()
	if !strings.Contains(text, t.want) || deferred != depth {
		return fmt.Errorf("recovered %q after %d deferred calls, want %q after %d", text, deferred, t.want, depth)
	}

	deferred = 0
	gone := make(chan any)
	go func() {
		defer func() { gone <- recover() }()
		down(depth, runtime.Goexit)
	}()
	if r := <-gone; r != nil || deferred != depth {
		return fmt.Errorf("Goexit gave %v after %d deferred calls, want none after %d", r, deferred, depth)
	}
	return nil
}

// A frame is a link of the chain that stressStacks builds on the stack.
type frame struct {
	up  *frame
	n   int
	pad [4]int
}

// climb grows the stack under pointers into it, then follows them to the top.
func climb(left int, up *frame) (sum int) {
	f := frame{up: up, n: left, pad: [4]int{left, left, left, left}}
	if left > 0 {
		sum = climb(left-1, &f)
	} else {
		runtime.Gosched()
		for link := &f; link != nil; link = link.up {
			sum += link.n
		}
	}
	if f.n != left || f.pad != [4]int{left, left, left, left} {
		return -1
	}
	return sum
}

func stressStacks(n int) error {
	depth := 100 + n*37%2000
	result := make(chan int)
	go func() { result <- climb(depth, nil) }()
	if got, want := <-result, depth*(depth+1)/2; got != want {
		return fmt.Errorf("a sum of %d over %d frames, want %d", got, depth, want)
	}
	return nil
}
