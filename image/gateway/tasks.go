//go:build tamago

package main

import (
	"log"
	"math/rand/v2"
	"time"

	"mortise/board/mx6ullevk"
	"mortise/stack/socket"
	"mortise/stack/stage"
	"mortise/stack/task"
)

// addTasks tells stack/task which tasks there are.
func (g *gatewayImage) addTasks() (err error) {
	list := append(userTasks(), task.Config{ID: taskWatchdog, Name: "watchdog", AtStart: true})
	if err := task.Configure(stage.TicksPerSecond(), list...); err != nil {
		return err
	}
	if retryTimer, err = task.NewTimer(task.NoTask); err != nil {
		return err
	}
	oobGIC = mx6ullevk.GIC
	retryTicks = stage.TicksPerSecond() / 10000
	reassemblyTimer, err := task.NewTimer(task.NoTask)
	if err != nil {
		return err
	}
	socket.Reassemble(reassemblyTimer, reassemblySeconds*stage.TicksPerSecond())
	socket.Identify(uint32(socket.IdentLife/time.Second)*stage.TicksPerSecond(), rand.Uint64())
	if watchdogTimer, err = task.NewTimer(taskWatchdog); err != nil {
		return err
	}
	return openUser()
}

// reassemblySeconds is how long the fragments of a datagram may take: 64 KiB at 10 Mbit/s take 55 ms, and an identification is
// used again after 6.5 s at 10,000 datagrams a second (RFC 4963).
const reassemblySeconds = 1

// tellTaskFault says which task a fault was in.
func tellTaskFault() {
	if name := task.Faulted(); name != "" {
		log.Printf("oob stage: the fault was in task %s", name)
	}
}
