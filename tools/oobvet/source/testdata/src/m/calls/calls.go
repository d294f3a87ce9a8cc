package calls

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"os"
	"sync"
	"sync/atomic"
	"time"
	_ "unsafe"

	"m/leaf"
)

type caller interface{ call() }

type holder struct{ run func() }

func (holder) method() {}

type number interface{ value() uint32 }

var (
	hook  func()
	lock  sync.Mutex
	word  uint32
	wide  uint64
	flag  atomic.Uint32
	flag8 atomic.Uint64
	hold  atomic.Pointer[uint32]
	buf   [8]byte
	list  leaf.List[int]
	held  holder
)

// entry calls what it may and what it may not.
//
//oob:stage oob
func entry(c caller) { // want entry:"oob"
	word = leaf.Load(&word) + leaf.Take() + list.Len()
	word = bits.ReverseBytes32(word)
	word = binary.LittleEndian.Uint32(buf[:])
	_ = binary.LittleEndian.AppendUint32(buf[:0], 1) // want `oob code allocates: binary.AppendUint32 \[alloc\]`
	leaf.Configure()                                 // want `oob code calls Configure, which is marked inband \[call\]`
	leaf.Init()                                      // want `oob code calls Init, which is marked init \[call\]`
	leaf.Silent()                                    // want `oob code calls m/leaf.Silent, which does not say that it is oob code.*\[call\]`
	fmt.Println()                                    // want `oob code calls fmt.Println: oob code has no runtime services \[call\]`
	os.Exit(1)                                       // want `oob code calls os.Exit: oob code has no runtime services`
	time.Sleep(1)                                    // want `oob code calls time.Sleep: oob code has no runtime services`
	lock.Lock()                                      // want `oob code calls \(\*sync.Mutex\).Lock: oob code has no runtime services`
	if errors.Is(nil, nil) {                         // want `oob code calls errors.Is: oob code has no runtime services`
		return
	}
	println("x") // want `oob code calls println: oob code has no runtime services`
	flag.Store(flag.Load() + 1)
	atomic.StoreUint32(&word, 1)
	flag8.Store(1)             // want `oob code uses an atomic that is not 32 bits wide.*\[atomic\]`
	atomic.AddUint64(&wide, 1) // want `oob code uses an atomic that is not 32 bits wide`
	hold.Store(&word)          // want `oob code uses an atomic that is not 32 bits wide`
	c.call()                   // want `oob code calls through an interface.*\[interface\]`
	hook()                     // want `oob code calls through a func value.*\[func\]`
	held.run()                 // want `oob code calls through a func value`
	func() {}()                // want `oob code makes a closure \[func\]` `oob code calls through a func value`
	hook = helper              // want `oob code stores a pointer.*\[pointer\]` `oob code uses the function helper as a value \[func\]`
	run := held.method         // want `oob code uses the function method as a value`
	_ = run
	defer helper() // want `oob code defers a call \[defer\]`
	go helper()    // want `oob code starts a goroutine \[go\]`
	helper()
	own()
	leafInAssembly()
	borrowed()
	panic("x") // want `oob code calls panic \[panic\]`
}

// helper says nothing, and is oob code all the same: what is in it is checked.
func helper() { // want `helper is called from oob code \(entry\) and does not say its stage.*\[stage\]`
	deeper()
}

func deeper() { // want `deeper is called from oob code \(helper\)`
	_ = make([]uint32, word) // want `oob code allocates: make \[alloc\]`
}

// own is in-band's.
//
//oob:stage inband
func setup() { // want setup:"inband"
	deeper()
	leaf.Take() // want `Take runs in the oob stage only, and setup is marked inband \[stage\]`
	leaf.Load(&word)
}

//oob:stage any
func own() { // want own:"any"
	setup() // want `oob code calls setup, which is marked inband`
}

// generic has a type parameter.
//
//oob:stage any
func generic[T number](v T) uint32 { // want generic:"any"
	return v.value() // want `oob code calls a method of a type parameter.*\[generic\]`
}

//oob:stage any
func once(n uint32) uint32 { // want once:"any"
	if n == 0 {
		return 0
	}
	return once(n - 1) // want `recursion: once → once \[recursion\]`
}

//oob:stage any
func ping(n uint32) { // want ping:"any"
	if n != 0 {
		pong(n - 1)
	}
}

//oob:stage any
func pong(n uint32) { ping(n) } // want pong:"any" `recursion: ping → pong → ping \[recursion\]`

// free is nobody's: what it does is not looked at.
func free() {
	fmt.Println(make([]int, 1))
	go free()
}

//oob:stage any
func leafInAssembly() // want leafInAssembly:"any"

//oob:stage any
//go:linkname borrowed runtime.gosched
func borrowed() // want borrowed:"any" `borrowed is another package's function by linkname`
