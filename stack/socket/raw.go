package socket

import (
	"fmt"
	"slices"

	"mortise/drivers/mmio"
	"mortise/stack/neigh"
)

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
