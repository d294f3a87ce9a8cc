//go:build !tamago

package double

var registers = map[uint32]uint32{}

// read stands for the leaf of the target: what it does is the host's affair.
//
//oob:stage any
func read() uint32 { return registers[0] } // want read:"any"

func silent() {} // want `silent is called from oob code \(entry\) and does not say its stage`
