//go:build !tamago

package frame

import "sync/atomic"

// peek returns *p, which the other stage may store to.
//
//oob:stage any
func peek(p *uint32) uint32 { return atomic.LoadUint32(p) }

// poke stores w in *p, which the other stage may load.
//
//oob:stage any
func poke(p *uint32, w uint32) { atomic.StoreUint32(p, w) }
