package socket

import (
	"fmt"
	"slices"

	"mortise/drivers/mmio"
	"mortise/stack/neigh"
)

// AllFrames, in the place of an EtherType, stands for all frames.
const AllFrames = 3

// The EtherTypes that have rules of their own.
const (
	typeIPv4 = 0x0800
	typeARP  = 0x0806
	typeCTag = 0x8100
	typeSTag = 0x88a8
)

// OpenRaw opens a raw socket on an oob port. Frames of an EtherType are its, whole, and nobody else's; of AllFrames it gets a copy, as they
// came, whatever becomes of them.
//
// IPv4: all packets that the port takes as IPv4, whatever they carry: neither UDP sockets nor the stage's echo services get any. Not on a port with
// rules. ARP: what does not concern the port's own address, for which the stage goes on to answer and to learn.
//
// Frames to groups come in if o.Groups, or somebody else, has asked for their address.
//
//oob:stage inband
func OpenRaw(etherType uint16, o Options) (Socket, error) {
	state.Lock()
	defer state.Unlock()
	if o.Device == nil {
		return 0, fmt.Errorf("socket: a raw socket needs an oob port: %w", ErrOption)
	}
	if err := o.checkGroups(); err != nil {
		return 0, err
	}
	s, err := openRaw(etherType, o)
	if err != nil {
		return 0, err
	}
	if err := joinMACs(uint32(s), *o.Device, o.Groups); err != nil {
		_ = s.close() // it is open
		return 0, err
	}
	return s, nil
}

// openRaw is OpenRaw without the groups.
func openRaw(etherType uint16, o Options) (Socket, error) {
	if etherType == AllFrames {
		return openAll(o)
	}
	switch {
	case etherType < 0x600 || etherType == typeCTag || etherType == typeSTag:
		return 0, fmt.Errorf("socket: EtherType %#04x: want one from 0x0600 on that is no tag's, or AllFrames: %w", etherType, ErrOption)
	case (etherType == typeIPv4 || etherType == typeARP) && *o.Device == neigh.Loopback:
		return 0, fmt.Errorf("socket: EtherType %#04x: the loopback port has no such frames, but what sockets send: %w", etherType, ErrOption)
	case etherType == typeIPv4 && state.consume == nil:
		return 0, fmt.Errorf("socket: EtherType %#04x: nothing gives it: %w", etherType, ErrOption)
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
	watch()
	listen(1)
	if etherType == typeIPv4 {
		if err := state.consume(q.device-1, true); err != nil {
			q.kind = closed
			watch()
			listen(-1)
			return 0, fmt.Errorf("socket: EtherType %#04x: %w: %w", etherType, err, ErrOption)
		}
	}
	return Socket(s), nil
}

// openAll opens a raw socket for all frames.
func openAll(o Options) (Socket, error) {
	if *o.Device == neigh.Loopback {
		return 0, fmt.Errorf("socket: all frames of the loopback port: its senders would have to copy them, in their own time: %w", ErrOption)
	}
	if state.listen == nil {
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
	watch()
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
