// Package leaf is what the others call.
package leaf

// Load is oob code.
//
//oob:stage any
//go:noinline
func Load(p *uint32) uint32 { return *p } // want Load:"any"

// Take is for the oob stage alone.
//
//oob:stage oob
func Take() uint32 { return 1 } // want Take:"oob"

// Configure is in-band's.
//
//oob:stage inband
func Configure() {} // want Configure:"inband"

// Init is called once.
//
//oob:stage init
func Init() {} // want Init:"init"

// Silent does not say.
func Silent() {}

// List is generic.
type List[T any] struct{ n uint32 }

// Len is a method of a generic type.
//
//oob:stage any
func (l *List[T]) Len() uint32 { return l.n } // want Len:"any"
