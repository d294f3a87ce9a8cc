package socket

import (
	"fmt"
	"net/netip"
	"strings"
	"sync/atomic"

	"mortise/drivers/mmio"
	"mortise/stack/frame"
	"mortise/stack/neigh"
)

// DefaultPool and MaxPool are the sizes of a port's pool in buffers: EVL's. A buffer is a slot, and has room for the largest frame.
const (
	DefaultPool = 2048
	MaxPool     = 32768
)

// Port describes an oob port to SetPort.
type Port struct {
	Name neigh.Port
	Text string       // its name in the configuration: see Named
	Addr netip.Prefix // the port's address, and its network
	MAC  [6]byte
	Pool int // buffers; 0: DefaultPool
	// Buffer is the largest datagram in bytes that sockets get on the port, UDP header included: the pool has room for Pool of them, one
	// half of which is for fragments of those that are not complete. 0: as large as there are, and each of the pool's buffers is a slot.
	Buffer int
}

// Limits of Port.Buffer: what a slot has, and EVL's most for a pool.
const (
	MinBuffer = frame.SlotSize
	MaxBuffer = 32768
)

// SlotsOf returns how many slots a datagram of so many bytes takes, in fragments.
//
//oob:stage inband
func SlotsOf(buffer int) int {
	const part = 1500 - 20 // of a frame without options, a multiple of eight
	return max(1, (buffer+part-1)/part)
}

// SetPort makes the port of an index exist, with a pool of its own, not up yet: see Up. A port that exists keeps its pool, if
// the size is the same, and what sockets hold.
//
//oob:stage inband
func SetPort(i uint32, c Port) error {
	state.Lock()
	defer state.Unlock()
	if i >= MaxPorts {
		return fmt.Errorf("oob port %d: want less than %d", i, MaxPorts)
	}
	size := c.Pool
	if size == 0 {
		size = DefaultPool
	}
	if size < 1 || size > MaxPool {
		return fmt.Errorf("oob port: a pool of %d buffers, want 1 to %d", size, MaxPool)
	}
	if c.Buffer != 0 && (c.Buffer < MinBuffer || c.Buffer > MaxBuffer) {
		return fmt.Errorf("oob port: a buffer of %d bytes, want %d to %d", c.Buffer, MinBuffer, MaxBuffer)
	}
	if c.Buffer != 0 && size < 2 {
		return fmt.Errorf("oob port: a pool of %d buffer of %d bytes, want at least 2: one half is not for fragments", size, c.Buffer)
	}
	each := SlotsOf(c.Buffer)
	size *= each
	if !c.Addr.IsValid() || !c.Addr.Addr().Is4() {
		return fmt.Errorf("oob port: address %v, want an IPv4 address with its prefix length", c.Addr)
	}
	p := &ports[i]
	if p.up != down {
		return fmt.Errorf("oob port %d: it is up", i)
	}
	if have := int(p.pool.Stats().Size); have != size {
		if free := int(p.pool.Stats().Free); free != have {
			return fmt.Errorf("oob port %d: %d buffers of its pool are in use", i, have-free)
		}
		if size > have+len(state.stock) {
			return fmt.Errorf("oob port: a pool of %d buffers, want at most %d: the memory has no more slots", size/each, (have+len(state.stock))/each)
		}
		drainPool(&p.pool)
		for range size {
			last := len(state.stock) - 1
			p.pool.Fill(state.stock[last])
			state.stock = state.stock[:last]
		}
	}
	m := c.MAC
	state.texts[i] = c.Text
	if p.most = uint32(c.Buffer); p.most == 0 {
		p.most = ^uint32(0)
	}
	p.name, p.addr, p.mask = c.Name, neigh.Wire(c.Addr.Addr()), neigh.Mask(c.Addr.Bits())
	p.src0 = uint32(m[0]) | uint32(m[1])<<8 | uint32(m[2])<<16 | uint32(m[3])<<24
	p.src4 = uint32(m[4]) | uint32(m[5])<<8
	p.tci = c.Name.VID()
	state.networks[i] = c.Addr
	origins()
	p.listeners = 0
	for at, s := range listeners {
		if s != 0 && socks[s-1].device == i+1 {
			p.listeners |= 1 << at
		}
	}
	return nil
}

// drainPool takes the slots of a pool back into the stock.
func drainPool(p *frame.Pool) {
	for range p.Stats().Free {
		s, _ := p.Get()
		state.stock = append(state.stock, s)
	}
	p.Clear()
}

// Up lets frames of a port in and out.
//
//oob:stage inband
func Up(i uint32) {
	p, asked := &ports[i%tablePorts], &timers[i%tablePorts]
	if i == Loopback {
		mmio.Store(&p.up, looped)
		return
	}
	asks := mmio.Load(asked)
	mmio.Store(&p.up, wired|asks*timed)
	if now := mmio.Load(asked); now != asks { // a socket was opened, or closed, in between
		atomic.CompareAndSwapUint32(&p.up, wired|asks*timed, wired|now*timed)
	}
}

// Pause stops frames of a port going in and out, for the time that its link is down: what lies in queues stays. See Up.
//
//oob:stage inband
func Pause(i uint32) { mmio.Store(&ports[i%tablePorts].up, down) }

// ShutDown takes a port down in order: nothing more goes out, nothing comes in (the companion core no longer knows the port by
// then), what lies in queues goes back to its pool, the port's neighbours are forgotten. Messages that tasks or goroutines have in
// their hands go back when they let go of them. It returns how many buffers these are.
//
//oob:stage inband
func ShutDown(i uint32) (held uint32) {
	state.Lock()
	defer state.Unlock()
	p := &ports[i%tablePorts]
	mmio.Store(&p.up, down)
	for s := range uint32(Max) {
		flush(s, i)
	}
	ask(request{op: opExpire, port: i})
	neigh.Purge(p.name, false)
	t := p.pool.Stats()
	return t.Size - t.Free
}

// RemovePort makes a port that is down not exist: its slots go back to the stock. It fails while buffers are in use.
//
//oob:stage inband
func RemovePort(i uint32) error {
	state.Lock()
	defer state.Unlock()
	p := &ports[i%tablePorts]
	t := p.pool.Stats()
	switch {
	case p.up != down:
		return fmt.Errorf("oob port %d: it is up", i)
	case t.Size != t.Free:
		return fmt.Errorf("oob port %d: %d buffers of its pool are in use", i, t.Size-t.Free)
	}
	drainPool(&p.pool)
	*p = port{tally: p.tally}
	state.texts[i], state.networks[i] = "", netip.Prefix{}
	return nil
}

// Named returns the oob port that has a name in the configuration, for Options.Device: "rt0.42", or what it is called there.
//
//oob:stage inband
func Named(text string) (*neigh.Port, error) {
	state.Lock()
	defer state.Unlock()
	var names []string
	for i, t := range state.texts {
		if t == text && t != "" {
			name := ports[i].name
			return &name, nil
		}
		if t != "" {
			names = append(names, t)
		}
	}
	return nil, fmt.Errorf("socket: port %q: %w, want one of %s", text, ErrNoPort, strings.Join(names, " "))
}

// PoolStats returns what the pool of a port tells.
//
//oob:stage inband
func PoolStats(i uint32) frame.PoolStats {
	state.Lock()
	defer state.Unlock()
	return ports[i%tablePorts].pool.Stats()
}
