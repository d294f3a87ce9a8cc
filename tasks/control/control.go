// Package control is the example of docs/tutorial.md: a control loop at 1 kHz in the oob stage. In each cycle it takes what a
// plant has measured from VLAN 42, computes, and sends a command back, within 100 µs of the begin of the cycle, whatever
// in-band does. In-band gives it setpoints and hears how it goes.
//
// Stage: oob.go oob, the rest in-band. Follows: docs/tutorial.md. Does not support: floating point, as all oob code.
package control

import (
	"encoding/binary"
	"fmt"
	"log"
	"net/netip"
	"time"

	"mortise/stack/neigh"
	"mortise/stack/socket"
	"mortise/stack/task"
)

const (
	period   = time.Millisecond
	deadline = 100 * time.Microsecond
	// queue is the number of the plant's messages that wait for a cycle at most; the oldest is dropped then.
	queue = 4

	portName  = "rt0.42"
	localPort = 5042
)

// The plant: the peer in VLAN 42 of the default gateway.toml.
var plantAddress = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 42, 2}), 5043)

// The codes of Log.
const (
	logStale = iota
	logLate
)

var logs = []string{
	logStale: "no message from the plant since number %d: the output is 0",
	logLate:  "cycle %d: the command was sent after %d ticks",
}

var inband *task.Pipe

// Task describes the task.
func Task(id uint32) task.Config {
	return task.Config{ID: id, Name: "control", Period: period, Budget: deadline, Log: logs, Inband: follow}
}

// Open prepares what the task uses.
func Open(id uint32) (err error) {
	loop.silent = staleAfter // nothing is known of the plant
	cycle = task.Periodic(id)
	limit = task.Ticks(deadline)
	plant, plantPort = neigh.Wire(plantAddress.Addr()), uint32(plantAddress.Port())
	if link, inband, err = task.NewBuffer(id, 64, 1024); err != nil {
		return err
	}
	port, err := socket.Named(portName)
	if err != nil {
		return err
	}
	process, err = socket.OpenUDP(socket.Options{
		Task: id, Local: netip.AddrPortFrom(netip.IPv4Unspecified(), localPort), Device: port, Queue: queue, Policy: socket.DropOldest,
	})
	if err != nil {
		return err
	}
	return process.Connect(plantAddress)
}

// follow is the in-band side: it sets the setpoint, and prints the reports.
func follow() {
	setpoint := int32(1000)
	if err := Set(setpoint); err != nil {
		log.Printf("control: %v", err)
	}
	for b := make([]byte, 24); ; {
		n, err := inband.Read(b)
		if err != nil || n != len(b) {
			log.Printf("control: a report of %d bytes: %v", n, err)
			continue
		}
		log.Print(text(b))
	}
}

// Set gives the loop a setpoint.
func Set(v int32) error {
	_, err := inband.Write(binary.LittleEndian.AppendUint32(nil, uint32(v)))
	return err
}

// text is a report in words.
func text(b []byte) string {
	word := func(i int) uint32 { return binary.LittleEndian.Uint32(b[4*i:]) }
	return fmt.Sprintf("control: %d cycles, at worst sent after %v, %d late, %d unsent; value %d, setpoint %d",
		word(0), task.Duration(uint64(word(1))), word(2), word(3), int32(word(4)), int32(word(5)))
}
