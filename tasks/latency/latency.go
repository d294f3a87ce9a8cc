// Package latency is an oob task that measures how long after its timer's expiry it is entered: the first thing that it
// does is to look at the clock. In-band tells once a second.
//
// Stage: Run oob, the rest in-band. Does not support: more than one task of it.
package latency

import (
	"fmt"
	"time"

	"mortise/drivers/mmio"
	"mortise/stack/task"
)

// period is no multiple of anything periodic in-band.
const period = 997 * time.Microsecond

// ahead is longer than what the oob stage does for two frames of a flood, or a frame of in-band's: 1,100 instructions, 9 µs in QEMU.
const ahead = 12 * time.Microsecond

// Task describes the task.
func Task(id uint32) task.Config {
	return task.Config{ID: id, Name: "latency", Period: period, Ahead: ahead, Inband: tell}
}

func tell() {
	for range time.Tick(time.Second) {
		fmt.Println(report())
	}
}

func report() string {
	n, least, most := mmio.Load(&state.entries), -1, 0
	for late := range state.bin {
		if mmio.Load(&state.bin[late]) == 0 {
			continue
		}
		if least < 0 {
			least = late
		}
		most = late
	}
	return fmt.Sprintf("timer to task: %d entries, %d to %d ticks of %v", n, least, most, task.Tick())
}
