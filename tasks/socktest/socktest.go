// Package socktest is an oob task that does with sockets what tests want to see from outside: what comes to a UDP port, in fragments
// or not, is answered with its size, the sum of its words and, where the device notes them,
// the times of both; what comes to another goes back whole; a copy of each frame on VLAN 42 goes back under
// another EtherType. It waits for all of them by a set of stack/poll. Beside it a goroutine echoes by the same kind of socket, and one sends frames
// back. It is in a test image only.
//
// Stage: Run oob, the rest in-band.
package socktest

import (
	"errors"
	"log"
	"net"
	"net/netip"
	"slices"

	"mortise/stack/neigh"
	"mortise/stack/poll"
	"mortise/stack/reassembly"
	"mortise/stack/socket"
	"mortise/stack/task"
)

// The UDP ports on VLAN 42 of the first device.
const (
	Port       = 7008 // answered with size and sum
	EchoPort   = 7009 // sent back by the task, the last byte one more
	InbandPort = 7010 // sent back by a goroutine
	GroupPort  = 7011 // the same, of what is sent to Group
)

// Group is a group that VLAN 42 is a member of.
var Group = netip.AddrFrom4([4]byte{239, 1, 2, 3})

// Answered is the EtherType, one for local experiments, of frames on that VLAN that a goroutine sends back to who sent them, with another priority.
const Answered = 0x88b6

// Bounds of a datagram: its parts, and the words of one.
const (
	maxParts = reassembly.MaxParts
	maxWords = 1500 / 4
)

// Set before the stage starts.
var (
	asked, all, echoed socket.Socket
	left               socket.Departure // of an answer
	waiting            poll.Set
)

// Task describes the task.
func Task(id uint32) task.Config { return task.Config{ID: id, Name: "socktest"} }

// Open opens the task's sockets, before the stage starts.
func Open(id uint32) (err error) {
	vlan := neigh.PortOf(0, 42)
	o := socket.Options{Task: id, Local: netip.AddrPortFrom(netip.IPv4Unspecified(), Port), Device: &vlan}
	o.Timestamps = socket.StampReceived | socket.StampSent | socket.StampDevice | socket.StampQueued
	asked, err = socket.OpenUDP(o)
	if errors.Is(err, socket.ErrTimestamps) {
		o.Timestamps = 0
		asked, err = socket.OpenUDP(o)
	}
	if err != nil {
		return err
	}
	if all, err = socket.OpenRaw(socket.AllFrames, socket.Options{Task: id, Device: &vlan}); err != nil {
		return err
	}
	echoed, err = socket.OpenUDP(socket.Options{Task: id, Local: netip.AddrPortFrom(netip.IPv4Unspecified(), EchoPort), Device: &vlan})
	if err != nil {
		return err
	}
	waiting, err = poll.New(id, poll.Readable(asked), poll.Writable(asked), poll.Readable(all), poll.Readable(echoed))
	if err != nil {
		return err
	}
	c, err := socket.ListenPacket(socket.Options{Local: netip.AddrPortFrom(netip.IPv4Unspecified(), InbandPort), Device: &vlan})
	if err != nil {
		return err
	}
	go echo(c)
	g, err := socket.ListenPacket(socket.Options{Local: netip.AddrPortFrom(Group, GroupPort), Device: &vlan})
	if err != nil {
		return err
	}
	go echo(g)
	return answerFrames()
}

// answerFrames has a goroutine answer frames.
func answerFrames() error {
	port, err := socket.Named("rt0.42")
	if err != nil {
		return err
	}
	c, err := socket.ListenFrames(Answered, socket.Options{Device: port, PCP: 5})
	if err != nil {
		return err
	}
	go func() {
		b := make([]byte, 1522) // the longest frame with two tags
		for {
			r, err := c.ReadMessage(b)
			if err != nil {
				return // closed
			}
			answer := slices.Concat(b[6:12], b[:6], b[16:r.N]) // to who sent it, without the tag: the stage writes the port's
			if err := c.WriteFrame(answer); err != nil {
				log.Print(c.LocalAddr(), ": ", err) // rt0.42, EtherType 0x88b6: …
			}
		}
	}()
	return nil
}

// echo sends back what comes, for ever.
func echo(c net.PacketConn) {
	buf := make([]byte, socket.MaxDatagram)
	for {
		n, from, err := c.ReadFrom(buf)
		if err != nil {
			return
		}
		if _, err := c.WriteTo(buf[:n], from); err != nil {
			log.Print("socktest: ", err)
		}
	}
}
