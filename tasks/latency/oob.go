package latency

import (
	"mortise/drivers/mmio"
	"mortise/stack/task"
)

// bins is the number of latencies, in ticks, that are counted each; the last stands for all above as well.
const bins = 256

var state struct {
	entries uint32
	bin     [bins]uint32
}

// Run is the task.
//
//oob:stage oob
func Run() {
	now := task.Now()
	late := now - uint32(task.Periodic(task.Current()).Expiry())
	state.bin[min(late, bins-1)]++
	mmio.Store(&state.entries, state.entries+1)
}
