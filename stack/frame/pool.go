package frame

import "mortise/drivers/mmio"

// MaxSlots is the number of slots that pools can be made of, a power of two.
const MaxSlots = 1 << 15

// link chains the slots of all pools: link[s] is the slot behind s. A slot is in one pool at most.
var link [MaxSlots]uint16

// Pool is a stock of empty slots of any number, the sockets' of an oob port for example. One stage owns it. The zero value is
// empty.
type Pool struct {
	head, n   uint32
	size      uint32 // slots given to it by Fill
	lowest    uint32
	exhausted uint32
	unsent    uint32 // of these requests, those of who wanted to send
}

// PoolStats is what a pool tells about itself, in slots; Exhausted in requests.
type PoolStats struct {
	Size, Free, Lowest uint32 // Lowest: the fewest that were ever free
	Exhausted          uint32 // requests that found it empty
	Unsent             uint32 // of these, what was to be sent: see NoneToSend
}

// Fill adds slot to the pool's stock. It is for setting a pool up: Put gives back what Get took.
//
//oob:stage inband
func (p *Pool) Fill(slot uint32) {
	p.Put(slot)
	p.size++
	p.lowest = p.n
}

// Put gives slot back.
//
//oob:stage any
func (p *Pool) Put(slot uint32) {
	link[slot%MaxSlots] = uint16(p.head)
	p.head = slot % MaxSlots
	p.n++
}

// Get takes a slot and reports whether there was one; none is counted.
//
//oob:stage any
func (p *Pool) Get() (slot uint32, ok bool) {
	n := p.n
	if n == 0 {
		p.exhausted++
		return 0, false
	}
	n--
	p.n = n
	if n < p.lowest {
		p.lowest = n
	}
	slot = p.head
	p.head = uint32(link[slot%MaxSlots])
	return slot, true
}

// MaxChain is the longest chain that GetChain takes.
const MaxChain = 64

// GetChain takes n slots, 1 to MaxChain, in a chain as PutChain takes it, all of them or none: none is counted.
//
//oob:stage any
func (p *Pool) GetChain(n uint32) (first, last uint32, ok bool) {
	if n == 0 || n > MaxChain || n > p.n {
		p.exhausted++
		return 0, 0, false
	}
	first = p.head
	last = first
	for i := uint32(1); i < MaxChain; i++ {
		if i >= n {
			break
		}
		last = uint32(link[last%MaxSlots])
	}
	p.head = uint32(link[last%MaxSlots])
	p.n -= n
	p.lowest = min(p.lowest, p.n)
	return first, last, true
}

// PutChain gives the n slots of a chain back: from first to last, each but last linked to the next by Link.
//
//oob:stage any
func (p *Pool) PutChain(first, last, n uint32) {
	link[last%MaxSlots] = uint16(p.head)
	p.head = first % MaxSlots
	p.n += n
}

// Link makes next the slot behind slot, which is in no pool.
//
//oob:stage any
func Link(slot, next uint32) { link[slot%MaxSlots] = uint16(next) }

// Next returns the slot that Link has put behind slot.
//
//oob:stage any
func Next(slot uint32) uint32 { return uint32(link[slot%MaxSlots]) }

// NoneToSend counts the request of Get or GetChain that found too few as one for something to be sent, which is counted apart from what came in.
//
//oob:stage any
func (p *Pool) NoneToSend() { p.unsent++ }

// Clear takes all slots out of the pool's hands; what it has counted of requests stays.
//
//oob:stage inband
func (p *Pool) Clear() { *p = Pool{exhausted: p.exhausted, unsent: p.unsent} }

// Free returns how many slots Get has to give.
//
//oob:stage any
func (p *Pool) Free() uint32 { return p.n }

// Size returns how many slots Fill has given.
//
//oob:stage any
func (p *Pool) Size() uint32 { return p.size }

// Stats returns what the pool tells about itself.
//
//oob:stage inband
func (p *Pool) Stats() PoolStats {
	unsent := mmio.Load(&p.unsent) // first: it is never more than the other
	return PoolStats{Size: p.size, Free: p.n, Lowest: p.lowest, Exhausted: mmio.Load(&p.exhausted), Unsent: unsent}
}
