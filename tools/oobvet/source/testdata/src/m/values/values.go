package values

type inner struct {
	n    uint32
	next *inner
}

type plain struct {
	n    uint32
	list [4]uint32
}

type wrapped struct{ v any }

var (
	number  uint32
	wide    int64
	uwide   uint64
	ratio   float64
	text    string
	bytes   []byte
	table   map[uint32]uint32
	channel chan uint32
	anyone  any
	chain   inner
	flat    plain
	ring    [8]inner
	words   [16]uint32
	octets  [16]byte
	names   [4]string
)

//oob:stage any
func allocates(n uint32) *uint32 { // want allocates:"any"
	_ = make([]uint32, 4) // want `oob code allocates: make \[alloc\]`
	_ = new(uint32)       // want `oob code allocates: new`
	_ = append(bytes, 1)  // want `oob code allocates: append`
	_ = &plain{}          // want `oob code allocates: the address of a literal`
	_ = [1]*plain{{}}     // want `oob code allocates: the address of a literal`
	_ = []uint32{1, n}    // want `oob code allocates: a slice literal`
	_ = [2]uint32{1, n}
	flat = plain{n: 1}
	return &n // want `oob code allocates: a variable whose address is returned`
}

//oob:stage any
func pointers(p *inner, q *plain) { // want pointers:"any"
	local := p
	local = local.next
	var own inner
	own.next = p
	var list [2]*inner
	list[number%2] = p
	q.n, q.list[1], flat.n = 1, 2, 3
	*q = plain{}
	chain.next = p       // want `oob code stores a pointer outside its stack.*\[pointer\]`
	p.next = local       // want `oob code stores a pointer outside its stack`
	*p = own             // want `oob code stores a pointer outside its stack`
	ring[number%8] = own // want `oob code stores a pointer outside its stack`
	text = "x"           // want `oob code stores a pointer outside its stack`
	bytes = nil          // want `oob code stores a pointer outside its stack`
	clear(names[:])      // want `oob code clears pointers: a write barrier \[pointer\]`
	_, _ = list, own
}

//oob:stage any
func maps() uint32 { // want maps:"any"
	table[1] = 2                // want `oob code uses a map \[map\]`
	_ = table[1]                // want `oob code uses a map`
	delete(table, 1)            // want `oob code uses a map`
	clear(table)                // want `oob code uses a map`
	_ = map[uint32]uint32{}     // want `oob code makes a map`
	_ = make(map[uint32]uint32) // want `oob code makes a map`
	for range table {           // want `oob code uses a map`
	}
	return 0
}

//oob:stage any
func channels() { // want channels:"any"
	channel <- 1          // want `oob code sends to a channel \[channel\]`
	<-channel             // want `oob code receives from a channel`
	close(channel)        // want `oob code closes a channel`
	_ = make(chan uint32) // want `oob code makes a channel`
	select {              // want `oob code selects`
	default:
	}
	for range channel { // want `oob code receives from a channel`
	}
}

//oob:stage any
func takes(v any, list ...any) {} // want takes:"any"

//oob:stage any
func interfaces() any { // want interfaces:"any"
	takes(number)          // want `oob code makes an interface value of a uint32 \[interface\]`
	takes(nil, number)     // want `oob code makes an interface value`
	_ = anyone             // want `oob code uses an interface value`
	_ = anyone.(uint32)    // want `oob code looks at an interface's type`
	_ = any(number)        // want `oob code makes an interface value`
	_ = wrapped{number}    // want `oob code makes an interface value`
	_ = wrapped{v: number} // want `oob code makes an interface value`
	_ = [1]any{number}     // want `oob code makes an interface value`
	var local any = number // want `oob code makes an interface value`
	local = text           // want `oob code makes an interface value of a string`
	switch anyone.(type) { // want `oob code looks at an interface's type`
	}
	_ = local     // want `oob code uses an interface value`
	return number // want `oob code makes an interface value of a uint32`
}

//oob:stage any
func strings(s string) byte { // want strings:"any"
	_ = s + "x" // want `oob code builds a string \[string\]`
	_ = "a" + "b"
	s += "x"                 // want `oob code builds a string`
	_ = []byte(s)            // want `oob code converts from or to a string`
	_ = string(bytes)        // want `oob code converts from or to a string`
	_ = string(rune(number)) // want `oob code converts from or to a string`
	for range s {            // want `oob code decodes a string`
	}
	const digits = "0123456789abcdef"
	return digits[number&15]
}

//oob:stage any
func floats(n uint32) uint32 { // want floats:"any"
	const half = 0.5
	_ = uint32(half * 4)
	x := float64(n)      // want `oob code computes with floating point.*\[float\]`
	n = uint32(x)        // want `oob code computes with floating point`
	return uint32(ratio) // want `oob code computes with floating point`
}

//oob:stage any
func divisions(n uint32) uint32 { // want divisions:"any"
	uwide = uwide/8 + uwide%16
	wide = wide >> 3
	n = n / 10
	n %= 7
	uwide = uwide / 10 // want `oob code divides 64-bit numbers by no power of two.*\[divide\]`
	wide %= 1000       // want `oob code divides 64-bit numbers by no power of two`
	uwide /= uwide     // want `oob code divides 64-bit numbers: a call`
	n = n % number     // want `oob code divides by a variable.*\[divide\]`
	return n
}

//oob:stage any
func copies(p *[16]byte, b []byte) { // want copies:"any"
	copy(octets[2:], octets[:4])
	copy(octets[:], "abc")
	var local [4]uint32
	copy(local[:], words[4:8])
	clear(words[:])
	clear(flat.list[:])
	copy(octets[:], b)        // want `oob code copies from or to what may be DMA memory.*\[copy\]`
	copy(p[:], octets[:])     // want `oob code copies from or to what may be DMA memory`
	clear(b)                  // want `oob code clears what may be DMA memory.*\[copy\]`
	copy(names[:], names[1:]) // want `oob code copies pointers: a write barrier \[pointer\]`
}
