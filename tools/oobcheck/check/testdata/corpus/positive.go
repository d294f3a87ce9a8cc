//go:build tamago

package main

func init() {
	keep(countsUp, countsUnsigned, countsDown, stepsTwo, ranges, nests, masks, fromMask, stops, statesEnough, statesLine)
	keep(callsListed, copiesStruct, zeroes, shifts, switches, deep, spills, handsOver, assembly)
}

// want PASS 64
//
//go:noinline
func countsUp() {
	for i := 0; i < 64; i++ {
		table[i]++
	}
}

// want PASS 10
func countsUnsigned() {
	for i := uint32(0); i < 10; i++ {
		table[i&63] += n
	}
}

// want PASS 31
func countsDown() {
	for i := 31; i > 0; i-- {
		table[i] += n
	}
}

// want PASS 32
func stepsTwo() {
	for i := 0; i < 64; i += 2 {
		table[i]++
	}
}

// want PASS 64
func ranges() {
	for i := range table {
		table[i] ^= n
	}
}

// want PASS 8 16
func nests() {
	for i := 0; i < 16; i++ {
		for j := 0; j < 8; j++ {
			table[(i*j)&63] += n
		}
		leaf()
	}
}

//go:noinline
func leaf() { n++ }

// want PASS
func masks() { table[n%64]++ }

// want PASS 63
func fromMask() {
	for i := n & 252; i >= 4; i -= 4 {
		table[i&63]++
	}
}

// want PASS 20
func stops() {
	for i := 0; ; i++ {
		if i >= 20 {
			break
		}
		if table[i] == n {
			continue
		}
		leaf()
	}
}

const enough = 3 * rounds

// want PASS 24
func statesEnough() {
	for i := uint32(0); i < n; i++ { //oob:loop enough the corpus knows
		table[i%64]++
	}
}

// want PASS 9
func statesLine() {
	//oob:loop rounds+1 a comment on the line before is as good
	for i := uint32(0); i < n; i++ {
		table[i%64]++
	}
}

// want PASS 64
func callsListed() {
	call() //oob:calls main.countsUp,main.masks these two are ever put there
}

type record struct {
	words [5]uint32
}

var from, to record

// want PASS
func copiesStruct() { to = from }

// want PASS
func zeroes() { to = record{} }

// want PASS
func shifts() { wide = wide<<3 | wide>>7 }

// want PASS
func switches() {
	switch n {
	case 1:
		leaf()
	case 2:
		signed++
	case 3:
		signed--
	case 4:
		signed *= 3
	case 5:
		signed &= 7
	case 6:
		masks()
	case 7:
		signed ^= 5
	case 8:
		wide++
	case 9:
		signed = -signed
	}
}

// want PASS 299
// want arm64: PASS 17
func deep() {
	var b [300]uint32
	b[n%256] = 1
	hold(&b)
}

//go:noinline
func hold(b *[300]uint32) { n = b[n%256] }

// want PASS 12
func spills() {
	for i := uint32(0); i < 12; i++ {
		n = add(i, table[i])
	}
}

//go:noinline
func add(a, b uint32) uint32 { return a + b }

// want PASS
func handsOver()

// want PASS 30 8
func assembly()
