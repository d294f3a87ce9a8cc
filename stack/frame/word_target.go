//go:build tamago

package frame

// peek returns *p, which the other stage may store to. An aligned word is loaded at once, and the calls around keep the compiler from
// knowing it already.
//
//oob:stage any
func peek(p *uint32) uint32 { return *p }

// poke stores w in *p, which the other stage may load.
//
//oob:stage any
func poke(p *uint32, w uint32) { *p = w }
