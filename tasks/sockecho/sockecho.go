// Package sockecho is an oob task that sends back what comes to a UDP port, by the sockets that any task has: what stack/oob's own
// echo does in the companion core, done as a user would do it. The bench measures the way from wire to wire with it.
//
// Stage: Run oob, the rest in-band. Follows: RFC 862 (echo, 1983). Does not support: TCP.
package sockecho

import (
	"net/netip"

	"mortise/stack/socket"
	"mortise/stack/task"
)

// Port is the UDP port. An oob port with rules must accept it.
const Port = 7007

var echo socket.Socket

// Task describes the task.
func Task(id uint32) task.Config { return task.Config{ID: id, Name: "sockecho"} }

// Open opens the task's socket, before the stage starts.
func Open(id uint32) (err error) {
	echo, err = socket.OpenUDP(socket.Options{Task: id, Local: netip.AddrPortFrom(netip.IPv4Unspecified(), Port)})
	return err
}
