package socket

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"mortise/drivers/mmio"
	"mortise/stack/frame"
	"mortise/stack/neigh"
	"mortise/stack/reassembly"
	"mortise/stack/task"
	"mortise/stack/wire"
)

// Errors of Open and its like, wrapped with what was asked for.
var (
	ErrInUse  = errors.New("address already in use")
	ErrFull   = errors.New("no socket left")
	ErrNoPort = errors.New("no such oob port")
	ErrOption = errors.New("invalid option")
	// ErrAddress: no port has the address that the socket is to be bound to. See Options.FreeBind.
	ErrAddress = errors.New("address not available")
)

// Options say what a socket is like. Of the zero value, task 0 reads.
type Options struct {
	Task  uint32 // the task that reads it, or task.NoTask
	Local netip.AddrPort
	// FreeBind allows an address in Local that no port has: one that is made later, as an example. Until then nothing comes.
	FreeBind bool
	// Device binds the socket to an oob port; nil: any. Groups, broadcasts and raw sockets need one.
	Device *neigh.Port
	Queue  int // 1 to QueueSize messages; 0: QueueSize
	Policy Policy
	TTL    int // 1 to 255; 0: 64
	// MulticastTTL is the TTL of what is sent to groups; 0: 1, it stays on the port's network.
	MulticastTTL int
	TOS          int
	PCP          int // 0 to 7, in the tag of a VLAN port
	// DontFragment has nothing sent in fragments: what does not fit into a frame is TooLong.
	DontFragment bool
	// Groups are the Ethernet group addresses that the port is to take while a raw socket is open: {0x01, 0x1b, 0x19} for PTP, as an example.
	// A controller takes those of nobody who asks for none.
	Groups [][6]byte
	// Timestamps are those that the socket has: see Socket.Times and Socket.Departed.
	Timestamps Timestamps
}

const (
	defaultTTL          = 64 // RFC 1700, p64
	defaultMulticastTTL = 1  // 6.1, RFC 1112
)

// state is in-band's: what the tables above do not say.
var state struct {
	sync.Mutex
	// stock are the slots that are in no pool.
	stock []uint32
	// bound tells the companion core that datagrams to a UDP port belong to a list; -1: to none any more.
	bound     func(udpPort uint16, list int) error
	texts     [MaxPorts]string
	lists     [Max]uint16 // the UDP port of each list, 0: free
	join      func(port neigh.Port, group netip.Addr, member bool) error
	joinMAC   func(port neigh.Port, group [6]byte, member bool) error
	joined    [Max]joined
	kick      func()
	consume   func(i uint32, on bool) error
	listen    func(dev uint32, on bool)
	listening [MaxListeners]uint32 // their devices
	times     func(dev uint32) bool
	addresses map[neigh.Port]netip.Prefix // as SetAddresses has it
	networks  [MaxPorts]netip.Prefix      // of the ports that SetPort has brought
}

// Hooks are what sockets need of the companion core. They are called in-band.
type Hooks struct {
	// Bound makes list the one that datagrams to a UDP port are looked up in; -1: none. An error refuses the bind.
	Bound func(udpPort uint16, list int) error
	// Kick runs Kicked before it returns: in the oob stage, by a kick; in-band, while the stage is down.
	Kick func()
	// Listen has Show called for each frame of a device, or no longer. nil: there are no sockets for all frames.
	Listen func(dev uint32, on bool)
	// Consume gives all IPv4 packets of the port of an index to the raw socket that is open for them, or no longer; an error refuses it. nil: there
	// are no such sockets.
	Consume func(i uint32, on bool) error
	// Times reports whether a device notes when frames come in and leave. nil: all do.
	Times func(dev uint32) bool
	// Join lets frames to a multicast group in from a port, or no longer.
	Join func(port neigh.Port, group netip.Addr, member bool) error
	// JoinMAC lets frames to an Ethernet group address in from a port, or no longer. nil: there are no such sockets.
	JoinMAC func(port neigh.Port, group [6]byte, member bool) error
	// GiveAfter is how long the buffers of messages that goroutines have read may stay: more messages take them back meanwhile, two for
	// each. 0: 10 ms. Tests whose stage is a goroutine of theirs have it later.
	GiveAfter time.Duration
}

// Setup gives the sockets their memory: the slots from first on are the pools'.
//
//oob:stage init
func Setup(m frame.Memory, firstSlot uint32, h Hooks) {
	memory = m
	state.consume, state.times, state.joinMAC = h.Consume, h.Times, h.JoinMAC
	state.bound, state.join, state.kick, state.listen = h.Bound, h.Join, h.Kick, h.Listen
	if giveAfter = h.GiveAfter; giveAfter == 0 {
		giveAfter = 10 * time.Millisecond
	}
	state.stock, state.addresses = nil, nil
	for s := m.Slots; s > firstSlot; s-- {
		state.stock = append(state.stock, s-1)
	}
}

// IdentLife is how long an identification is not used again for the same destination: what Linux waits for the rest of a datagram; RFC 791
// (3.2) begins with 15 s. 61,440 in that time are 2,048 datagrams a second to a destination.
const IdentLife = 30 * time.Second

// Identify has no identification of a datagram in fragments used again within a number of ticks: IdentLife. first is where the identifications begin,
// a random number.
//
//oob:stage init
func Identify(life uint32, first uint64) {
	idents.life = life>>identShift + 1
	for i := range idents.set {
		idents.set[i] = identSet{next: uint32(first >> 48)}
		first = first*6364136223846793005 + 1442695040888963407 // Knuth's MMIX
	}
}

// open fills a free socket in, which is still closed.
func open(o Options) (*sock, uint32, error) {
	s := uint32(0)
	for s < Max && socks[s].kind != closed {
		s++
	}
	if s == Max {
		return nil, 0, fmt.Errorf("socket: %d are open: %w", Max, ErrFull)
	}
	if o.Queue == 0 {
		o.Queue = QueueSize
	}
	if err := o.checkMarks(); err != nil {
		return nil, 0, err
	}
	switch {
	case o.Task > task.NoTask:
		return nil, 0, fmt.Errorf("socket: task %d, want 0 to %d, or NoTask: %w", o.Task, task.MaxTasks-1, ErrOption)
	case o.Queue < 1 || o.Queue > QueueSize:
		return nil, 0, fmt.Errorf("socket: a queue of %d messages, want 1 to %d: %w", o.Queue, QueueSize, ErrOption)
	case o.Policy == DropOldest && o.Task >= task.MaxTasks:
		return nil, 0, fmt.Errorf("socket: drop-oldest is for sockets of tasks: %w", ErrOption)
	}
	q := &socks[s]
	*q = sock{task: o.Task, policy: o.Policy, limit: uint32(o.Queue)}
	q.mark(&o)
	if o.Device != nil {
		i, ok := index(*o.Device)
		if !ok {
			return nil, 0, fmt.Errorf("socket: device %d, VLAN ID %d: %w", o.Device.Dev(), o.Device.VID(), ErrNoPort)
		}
		q.device = i + 1
	}
	if err := q.stamp(s, o.Timestamps); err != nil {
		return nil, 0, err
	}
	return q, s, nil
}

// checkMarks fills in what Options say of what is sent, and checks it.
func (o *Options) checkMarks() error {
	if o.TTL == 0 {
		o.TTL = defaultTTL
	}
	if o.MulticastTTL == 0 {
		o.MulticastTTL = defaultMulticastTTL
	}
	switch {
	case o.TTL < 1 || o.TTL > 255 || o.TOS < 0 || o.TOS > 255 || o.PCP < 0 || o.PCP > 7:
		return fmt.Errorf("socket: TTL %d, TOS %d, PCP %d: want 1 to 255, 0 to 255, 0 to 7: %w", o.TTL, o.TOS, o.PCP, ErrOption)
	case o.MulticastTTL < 1 || o.MulticastTTL > 255:
		return fmt.Errorf("socket: TTL %d for groups: want 1 to 255: %w", o.MulticastTTL, ErrOption)
	}
	return nil
}

// mark sets what is sent from now on to what o, which is checked, says: a word each.
func (q *sock) mark(o *Options) {
	whole := uint32(0)
	if o.DontFragment {
		whole = 1
	}
	mmio.Store(&q.ttl, uint32(o.TTL))
	mmio.Store(&q.multicastTTL, uint32(o.MulticastTTL))
	mmio.Store(&q.tos, uint32(o.TOS))
	mmio.Store(&q.pcp, uint32(o.PCP))
	mmio.Store(&q.whole, whole)
}

// Remark changes TTL, MulticastTTL, TOS, PCP and DontFragment of what the socket sends from now on, of a raw socket PCP alone; other options stay as they
// are.
//
//oob:stage inband
func (s Socket) Remark(o Options) error {
	state.Lock()
	defer state.Unlock()
	q := &socks[s%Max]
	if q.kind == closed {
		return fmt.Errorf("socket: remark: %w", Closed)
	}
	if err := o.checkMarks(); err != nil {
		return err
	}
	q.mark(&o)
	return nil
}

// Close closes the socket: nothing more comes, what lies in its queue goes back to the pools.
//
//oob:stage inband
func (s Socket) Close() error {
	state.Lock()
	defer state.Unlock()
	return s.close()
}

// close is Close. The caller holds state.
func (s Socket) close() error {
	q := &socks[s%Max]
	switch q.kind {
	case closed:
		return fmt.Errorf("socket: close: %w", Closed)
	case udp:
		unlink(uint32(s % Max))
	case raw:
		if q.port == wire.TypeIPv4 {
			_ = state.consume(q.device-1, false)
		}
		listen(-1)
	case rawAll:
		closeAll(uint32(s % Max))
	}
	leave(uint32(s % Max))
	mmio.Store(&q.kind, closed)
	watch()
	for i := range uint32(MaxPorts) {
		flush(uint32(s%Max), i)
	}
	return nil
}

// flush gives the messages of a port in a socket's queue back. No goroutine reads meanwhile.
func flush(s, port uint32) {
	q := &socks[s]
	if head := mmio.Load(&q.head); head == q.tail && q.freed == head {
		return
	}
	conns.Lock()
	c := conns.of[s]
	conns.Unlock()
	if c != nil {
		c.reader.Lock()
		defer c.reader.Unlock()
	}
	ask(request{op: opFlush, sock: s, port: port})
}

// ask has the oob stage do what r says, and returns it as it is then.
func ask(r request) request {
	op := r.op
	r.op = opNone
	asked = r
	mmio.Store(&asked.op, op)
	state.kick()
	return asked
}

// Reset empties every queue and every pool after a fault, and takes stock anew: slots are those that belong to nobody else.
//
//oob:stage inband
func Reset(slots []uint32) {
	state.Lock()
	defer state.Unlock()
	for i := range socks {
		socks[i].head, socks[i].freed = socks[i].tail, socks[i].tail
	}
	asked.op = opNone
	fragments = reassembly.Table{}
	state.stock = slots
	for i := range ports {
		p := &ports[i].pool
		size := p.Stats().Size
		p.Clear()
		for range size {
			if last := len(state.stock) - 1; last >= 0 {
				p.Fill(state.stock[last])
				state.stock = state.stock[:last]
			}
		}
	}
}
