package socket

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"mortise/drivers/mmio"
	"mortise/stack/frame"
	"mortise/stack/neigh"
	"mortise/stack/reassembly"
	"mortise/stack/task"
)

// DefaultPool and MaxPool are the sizes of a port's pool in buffers: EVL's. A buffer is a slot, and has room for the largest frame.
const (
	DefaultPool = 2048
	MaxPool     = 32768
)

// Errors of Open and its like, wrapped with what was asked for.
var (
	ErrInUse  = errors.New("address already in use")
	ErrFull   = errors.New("no socket left")
	ErrNoPort = errors.New("no such oob port")
	ErrOption = errors.New("invalid option")
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

// Options say what a socket is like. Of the zero value, task 0 reads.
type Options struct {
	Task  uint32 // the task that reads it, or task.NoTask
	Local netip.AddrPort
	// Device binds the socket to an oob port; nil: any. Groups, broadcasts and raw sockets need one.
	Device *neigh.Port
	Queue  int // 1 to QueueSize messages; 0: QueueSize
	Policy Policy
	TTL    int // 1 to 255; 0: 64
	TOS    int
	PCP    int // 0 to 7, in the tag of a VLAN port
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
	kick      func()
	listen    func(dev uint32, on bool)
	listening [MaxListeners]uint32 // their devices
}

// Hooks are what sockets need of the companion core. They are called in-band.
type Hooks struct {
	// Bound makes list the one that datagrams to a UDP port are looked up in; -1: none. An error refuses the bind.
	Bound func(udpPort uint16, list int) error
	// Kick runs Kicked before it returns: in the oob stage, by a kick; in-band, while the stage is down.
	Kick func()
	// Listen has Show called for each frame of a device, or no longer. nil: there are no sockets for all frames.
	Listen func(dev uint32, on bool)
	// Join lets frames to a multicast group in from a port, or no longer.
	Join func(port neigh.Port, group netip.Addr, member bool) error
}

// Setup gives the sockets their memory: the slots from first on are the pools'.
//
//oob:stage init
func Setup(m frame.Memory, firstSlot uint32, h Hooks) {
	memory = m
	state.bound, state.join, state.kick, state.listen = h.Bound, h.Join, h.Kick, h.Listen
	state.stock = nil
	for s := m.Slots; s > firstSlot; s-- {
		state.stock = append(state.stock, s-1)
	}
}

// Reassemble has datagrams that come in fragments put together, each within a time: life in ticks. timer, of no task, is theirs: when
// it expires, Expire is to be called. Without it fragments are no socket's.
//
//oob:stage init
func Reassemble(timer task.Timer, life uint32) { expiry.timer, expiry.life = timer, life }

// Reassembly is what is known of datagrams in fragments.
type Reassembly struct {
	Incomplete uint32 // datagrams of which some fragments have come, or that were given up less than their time ago
	Expired    uint32 // datagrams of which not all came in time
}

// ReassemblyStats returns what is known of datagrams in fragments.
//
//oob:stage inband
func ReassemblyStats() Reassembly {
	return Reassembly{Incomplete: fragments.Used(), Expired: mmio.Load(&expiry.lost)}
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
	*p = frame.Pool{}
}

// Up lets frames of a port in and out.
//
//oob:stage inband
func Up(i uint32) {
	how := uint32(wired)
	if i == Loopback {
		how = looped
	}
	mmio.Store(&ports[i%tablePorts].up, how)
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
	state.texts[i] = ""
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

// OpenUDP opens a UDP socket, bound to o.Local: its address may be none (any) or an oob port's, a group's that it joins, or
// the broadcast; its UDP port is not 0.
//
//oob:stage inband
func OpenUDP(o Options) (Socket, error) {
	state.Lock()
	defer state.Unlock()
	q, s, err := open(o)
	if err != nil {
		return 0, err
	}
	q.addr, q.port = neigh.Wire(o.Local.Addr()), uint32(o.Local.Port())
	if !isMany(q.addr) {
		q.from = q.addr
	}
	if o.Local.Port() == 0 {
		return 0, fmt.Errorf("socket: UDP port 0: %w", ErrOption)
	}
	sharing := 1
	for i := range socks {
		other := &socks[i]
		if other.kind != udp || other.port != q.port {
			continue
		}
		if other.addr == q.addr && other.device == q.device && other.peer == 0 {
			return 0, fmt.Errorf("socket: %v: %w", o.Local, ErrInUse)
		}
		sharing++
	}
	if sharing > MaxSharing {
		return 0, fmt.Errorf("socket: %v: %d sockets have this UDP port: %w", o.Local, MaxSharing, ErrFull)
	}
	group := isGroup(q.addr)
	if group {
		if o.Device == nil {
			return 0, fmt.Errorf("socket: group %v: name the port to join it on: %w", o.Local.Addr(), ErrOption)
		}
		if err := join(*o.Device, o.Local.Addr(), true); err != nil {
			return 0, err
		}
	}
	if err := link(s, o.Local.Port()); err != nil {
		if group {
			_ = join(*o.Device, o.Local.Addr(), false)
		}
		return 0, err
	}
	q.kind = udp
	judge(listOf(s))
	return Socket(s), nil
}

// join lets frames to a group in from a port, or no longer. What is sent on the loopback port needs no leave.
func join(port neigh.Port, group netip.Addr, member bool) error {
	if port == neigh.Loopback {
		return nil
	}
	return state.join(port, group, member)
}

// isMany reports whether an address is a group's or a broadcast on a port's network.
func isMany(addr uint32) bool {
	for i := range ports {
		if p := &ports[i]; p.addr != 0 && addr == p.addr|^p.mask {
			return true
		}
	}
	return isGroup(addr) || addr == ^uint32(0)
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
	if o.TTL == 0 {
		o.TTL = defaultTTL
	}
	switch {
	case o.Queue < 1 || o.Queue > QueueSize:
		return nil, 0, fmt.Errorf("socket: a queue of %d messages, want 1 to %d: %w", o.Queue, QueueSize, ErrOption)
	case o.TTL < 1 || o.TTL > 255 || o.TOS < 0 || o.TOS > 255 || o.PCP < 0 || o.PCP > 7:
		return nil, 0, fmt.Errorf("socket: TTL %d, TOS %d, PCP %d: want 1 to 255, 0 to 255, 0 to 7: %w", o.TTL, o.TOS, o.PCP, ErrOption)
	case o.Policy == DropOldest && o.Task >= task.MaxTasks:
		return nil, 0, fmt.Errorf("socket: drop-oldest is for sockets of tasks: %w", ErrOption)
	}
	q := &socks[s]
	*q = sock{
		task: o.Task, policy: o.Policy, limit: uint32(o.Queue), ttl: uint32(o.TTL), tos: uint32(o.TOS), pcp: uint32(o.PCP),
		multicastTTL: defaultMulticastTTL,
	}
	if o.Device != nil {
		i, ok := index(*o.Device)
		if !ok {
			return nil, 0, fmt.Errorf("socket: device %d, VLAN ID %d: %w", o.Device.Dev(), o.Device.VID(), ErrNoPort)
		}
		q.device = i + 1
	}
	return q, s, nil
}

// link puts socket s into the list of its UDP port.
func link(s uint32, udpPort uint16) error {
	list := -1
	for i, p := range state.lists {
		if p == udpPort {
			list = i
			break
		}
		if p == 0 && list < 0 {
			list = i
		}
	}
	// There are as many lists as sockets.
	binds[s] = bind{next: first[list], sock: s}
	if state.lists[list] == 0 {
		if err := state.bound(udpPort, list); err != nil {
			return err
		}
		state.lists[list] = udpPort
	}
	mmio.Store(&sole[list], 0)
	mmio.Store(&first[list], s+1)
	lists[udpPort] = uint8(list + 1)
	return nil
}

// judge says whether the sockets of a list have to be weighed.
func judge(list uint32) {
	at := first[list]
	if at == 0 || binds[at-1].next != 0 {
		mmio.Store(&sole[list], 0)
		return
	}
	s := binds[at-1].sock
	if q := &socks[s]; q.kind == udp && q.addr|q.peer == 0 {
		mmio.Store(&sole[list], 1<<31|q.device<<8|s)
		return
	}
	mmio.Store(&sole[list], 0)
}

// listOf returns the list that socket s is in.
func listOf(s uint32) uint32 {
	for list, port := range state.lists {
		if port == uint16(socks[s].port) {
			return uint32(list)
		}
	}
	panic("socket: bound, and in no list")
}

// unlink takes socket s out of its list.
func unlink(s uint32) {
	list := listOf(s)
	mmio.Store(&sole[list], 0)
	at := &first[list]
	for *at != s+1 {
		at = &binds[*at-1].next
	}
	mmio.Store(at, binds[s].next)
	if first[list] == 0 {
		_ = state.bound(state.lists[list], -1)
		lists[state.lists[list]] = 0
		state.lists[list] = 0
	}
	judge(list)
}

// Connect makes peer the one that the socket sends to, and takes datagrams from; the zero value takes that back.
//
//oob:stage inband
func (s Socket) Connect(peer netip.AddrPort) error {
	state.Lock()
	defer state.Unlock()
	q := &socks[s%Max]
	if q.kind != udp {
		return fmt.Errorf("socket: connect to %v: %w", peer, ErrOption)
	}
	if peer.IsValid() && (neigh.Wire(peer.Addr()) == 0 || peer.Port() == 0) {
		return fmt.Errorf("socket: connect to %v: want an IPv4 address and a port: %w", peer, ErrOption)
	}
	mmio.Store(&sole[listOf(uint32(s%Max))], 0)
	mmio.Store(&q.peer, 0) // the two words change behind it
	q.peerPort = uint32(peer.Port())
	mmio.Store(&q.peer, neigh.Wire(peer.Addr()))
	judge(listOf(uint32(s % Max)))
	return nil
}

// AllFrames, in the place of an EtherType, stands for all frames.
const AllFrames = 3

// OpenRaw opens a raw socket on an oob port. Frames of an EtherType that is neither IPv4 nor ARP are its, whole; of AllFrames it
// gets a copy, as they came, whatever becomes of them.
//
//oob:stage inband
func OpenRaw(etherType uint16, o Options) (Socket, error) {
	state.Lock()
	defer state.Unlock()
	if o.Device == nil {
		return 0, fmt.Errorf("socket: a raw socket needs an oob port: %w", ErrOption)
	}
	if etherType == AllFrames {
		return openAll(o)
	}
	if etherType < 0x600 || etherType == 0x0800 || etherType == 0x0806 || etherType == 0x8100 || etherType == 0x88a8 {
		return 0, fmt.Errorf("socket: EtherType %#04x: want one from 0x0600 on that is not IPv4, ARP or a tag, or AllFrames: %w", etherType, ErrOption)
	}
	q, s, err := open(o)
	if err != nil {
		return 0, err
	}
	q.port = uint32(etherType>>8 | etherType<<8)
	for i := range socks {
		if other := &socks[i]; other.kind == raw && other.port == q.port && other.device == q.device {
			return 0, fmt.Errorf("socket: EtherType %#04x: %w", etherType, ErrInUse)
		}
	}
	q.kind = raw
	listen(1)
	return Socket(s), nil
}

// openAll opens a raw socket for all frames.
func openAll(o Options) (Socket, error) {
	if state.listen == nil || *o.Device == neigh.Loopback {
		return 0, fmt.Errorf("socket: all frames: nothing shows them: %w", ErrOption)
	}
	at := slices.Index(listeners[:], 0)
	if at < 0 {
		return 0, fmt.Errorf("socket: all frames: %d sockets get them: %w", MaxListeners, ErrFull)
	}
	q, s, err := open(o)
	if err != nil {
		return 0, err
	}
	q.kind = rawAll
	q.port = AllFrames << 8
	state.listening[at] = o.Device.Dev()
	q.count[DroppedCopy] = -missed(at)
	mmio.Store(&listeners[at], s+1)
	set := &ports[q.device-1].listeners
	mmio.Store(set, *set|1<<at)
	state.listen(o.Device.Dev(), true)
	return Socket(s), nil
}

// missed returns how many frames the listener of a number was not shown, since ever.
func missed(at int) (n uint32) {
	for set := range uncopied {
		if set>>at&1 != 0 {
			n += mmio.Load(&uncopied[set])
		}
	}
	return n
}

// closeAll has the oob stage show socket s nothing more.
func closeAll(s uint32) {
	at := slices.Index(listeners[:], s+1)
	set := &ports[socks[s].device-1].listeners
	mmio.Store(set, *set&^(1<<at))
	listeners[at] = 0
	dev := state.listening[at]
	for i, other := range listeners {
		if other != 0 && state.listening[i] == dev {
			return
		}
	}
	state.listen(dev, false)
}

// listen counts raw sockets.
func listen(n int) { mmio.Store(&raws, raws+uint32(n)) }

// Close closes the socket: nothing more comes, what lies in its queue goes back to the pools.
//
//oob:stage inband
func (s Socket) Close() error {
	state.Lock()
	defer state.Unlock()
	q := &socks[s%Max]
	switch q.kind {
	case closed:
		return fmt.Errorf("socket: close: %w", ErrOption)
	case udp:
		unlink(uint32(s % Max))
		if isGroup(q.addr) {
			_ = join(ports[q.device-1].name, neigh.Addr(q.addr), false)
		}
	case raw:
		listen(-1)
	case rawAll:
		closeAll(uint32(s % Max))
	}
	mmio.Store(&q.kind, closed)
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
		*p = frame.Pool{}
		for range size {
			if last := len(state.stock) - 1; last >= 0 {
				p.Fill(state.stock[last])
				state.stock = state.stock[:last]
			}
		}
	}
}

// Stats is a reading of a socket's state.
type Stats struct {
	Socket   Socket
	Raw      bool
	Task     uint32         // task.NoTask: a goroutine's
	Local    netip.AddrPort // of a raw socket: the port is its EtherType
	Peer     netip.AddrPort // the zero value: not connected
	Bound    bool           // to the oob port of index Port
	Port     uint32
	Queued   uint32
	Limit    uint32
	Counters [NumCounters]uint32
}

// List returns the open sockets.
//
//oob:stage inband
func List() (list []Stats) {
	state.Lock()
	defer state.Unlock()
	for i := range socks {
		q := &socks[i]
		if q.kind == closed {
			continue
		}
		t := Stats{
			Socket: Socket(i), Raw: q.kind >= raw, Task: q.task, Limit: q.limit,
			Local:  netip.AddrPortFrom(neigh.Addr(q.addr), uint16(q.port)),
			Queued: mmio.Load(&q.tail) - mmio.Load(&q.head),
		}
		if t.Raw {
			t.Local = netip.AddrPortFrom(netip.Addr{}, uint16(q.port)>>8|uint16(q.port)<<8)
		}
		if q.device != 0 {
			t.Bound, t.Port = true, q.device-1
		}
		if q.peer != 0 {
			t.Peer = netip.AddrPortFrom(neigh.Addr(q.peer), uint16(q.peerPort))
		}
		for c := range t.Counters {
			t.Counters[c] = mmio.Load(&q.count[c])
		}
		if q.kind == rawAll {
			t.Counters[DroppedCopy] += missed(slices.Index(listeners[:], uint32(i)+1))
		}
		list = append(list, t)
	}
	return list
}

// Error says what the status is about, for in-band; OK is none.
//
//oob:stage inband
func (s Status) Error() string { return "socket: " + statusText[s%NumStatuses] }
