package socket

import (
	"fmt"
	"net"
	"unsafe"

	"mortise/stack/neigh"
	"mortise/stack/task"
	"mortise/stack/wire"
)

// FrameAddr is the address of a raw socket.
type FrameAddr struct {
	Port      string // the oob port's name
	EtherType uint16 // or AllFrames
}

// Network returns "oob".
func (a *FrameAddr) Network() string { return "oob" }

// String returns the address as text: "rt0.42, EtherType 0x88a4".
func (a *FrameAddr) String() string {
	if a.EtherType == AllFrames {
		return a.Port + ", all frames"
	}
	return fmt.Sprintf("%s, EtherType %#04x", a.Port, a.EtherType)
}

// ListenFrames opens a raw socket for goroutines: OpenRaw with its Task set to none. ReadMessage and ReadFrom get whole frames, with their tags;
// WriteFrame sends them.
//
//oob:stage inband
func ListenFrames(etherType uint16, o Options) (*Conn, error) {
	o.Task = task.NoTask
	s, err := OpenRaw(etherType, o)
	if err != nil {
		return nil, err
	}
	return newConn(s, &FrameAddr{Port: nameOf(*o.Device), EtherType: etherType}, true), nil
}

// nameOf returns the name of an oob port in the configuration, or what it is if it has none.
func nameOf(name neigh.Port) string {
	state.Lock()
	defer state.Unlock()
	if i, ok := index(name); ok && state.texts[i] != "" {
		return state.texts[i]
	}
	return fmt.Sprintf("device %d, VLAN %d", name.Dev(), name.VID())
}

// WriteFrame sends a frame, from the destination address on, by the oob port of a raw socket: without a tag it gets that of the port, with
// Options.PCP; with one it goes as it is, if that is the port's. What is in the way is a Status, as SendFrame has it. It waits for nothing but room, and
// that only up to a deadline to write.
func (c *Conn) WriteFrame(b []byte) error {
	if !c.frames {
		return NotRaw
	}
	return c.untilRoom(func() error { return c.sendFrame(b) })
}

// sendFrame sends a frame, or says at once why not.
func (c *Conn) sendFrame(b []byte) error {
	state.Lock()
	defer state.Unlock()
	select {
	case <-c.done:
		return net.ErrClosed
	default:
	}
	r := c.compose(request{op: opFrame, sock: uint32(c.s)})
	if r.status != OK {
		return r.status
	}
	m := &r.message
	room := m.Len
	if len(b) >= wire.EthernetLen && isTag(uint32(b[12])|uint32(b[13])<<8) {
		m.packet = 0
		m.Rewind()
		room += 2 * wire.TagLen
	}
	// What is too long, or too short, the stage says, and counts.
	copy(unsafe.Slice((*byte)(unsafe.Add(nil, m.Data)), room), b)
	r.op, r.n = opSendFrame, uint32(len(b))
	if r = ask(r); r.status != OK {
		return r.status
	}
	Deliver() // a goroutine's, by the loopback port: this kick woke nobody
	return nil
}
