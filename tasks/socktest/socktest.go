// Package socktest is an oob task that does with sockets what tests want to see from outside: what comes to a UDP port, in fragments
// or not, is answered with its size and the sum of its words; a copy of each frame on VLAN 42 goes back under another EtherType. It waits for both by a
// set of stack/poll. It is in a test image only.
//
// Stage: Run oob, the rest in-band.
package socktest

import (
	"net/netip"

	"mortise/stack/neigh"
	"mortise/stack/poll"
	"mortise/stack/reassembly"
	"mortise/stack/socket"
	"mortise/stack/task"
)

// Port is the UDP port on VLAN 42 of the first device.
const Port = 7008

// Bounds of a datagram: its parts, and the words of one.
const (
	maxParts = reassembly.MaxParts
	maxWords = 1500 / 4
)

// Set before the stage starts.
var (
	asked, all socket.Socket
	waiting    poll.Set
)

// Task describes the task.
func Task(id uint32) task.Config { return task.Config{ID: id, Name: "socktest"} }

// Open opens the task's sockets, before the stage starts.
func Open(id uint32) (err error) {
	vlan := neigh.PortOf(0, 42)
	asked, err = socket.OpenUDP(socket.Options{Task: id, Local: netip.AddrPortFrom(netip.IPv4Unspecified(), Port), Device: &vlan})
	if err != nil {
		return err
	}
	if all, err = socket.OpenRaw(socket.AllFrames, socket.Options{Task: id, Device: &vlan}); err != nil {
		return err
	}
	waiting, err = poll.New(id, poll.Readable(asked), poll.Writable(asked), poll.Readable(all))
	return err
}
