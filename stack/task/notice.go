package task

import "mortise/drivers/mmio"

// Kind says what an Event is about.
type Kind uint8

// The kinds of event. The oob stage reports the first five, in-band the others.
const (
	EventLog       Kind = iota + 1 // Code, A and B are the task's: see Log
	EventOverrun                   // an expiry found Task still waiting for its run for another; A: of which timer, B: how many so far
	EventBudget                    // a run of Task took longer than Config.Budget; A: ticks
	EventQuota                     // Task has used up its quota and waits; A: ticks used, B: how often so far
	EventOverload                  // an activation ended with tasks that were ready still
	EventViolation                 // the stage was stopped by a fault, in Task if that is not NoTask
	EventDrop                      // the oob stage dropped frames of Device; A: how many since the last such event
	EventLink                      // the link of Device changed; A: 1 if it is up
)

// notice is what goes to in-band: an Event but for its names.
type notice struct {
	time uint64
	what uint32 // kind, code and task: 8, 16, 8 bits
	a, b uint32
}

// noticeRing is the number of notices that wait for in-band at most, logRoom up to how many a log is taken: a task that
// says too much does not hide what goes wrong.
const (
	noticeRing = 256
	logRoom    = noticeRing * 3 / 4
)

// notices is a single-producer, single-consumer queue from the oob stage to in-band: frame.Ring's order of accesses.
var notices struct {
	tail, head uint32
	lost       uint32
	ring       [noticeRing]notice
}

// Log tells in-band a line of the task that runs: Config.Log[code], with a and b in the place of its verbs. It is printed
// when in-band comes to it.
//
//oob:stage oob
func Log(code uint16, a, b uint32) { state.notice(EventLog, Current(), code, a, b, logRoom) }

// tell reports an event.
//
//oob:stage oob
func (s *core) tell(kind Kind, task, a, b uint32) { s.notice(kind, task, 0, a, b, noticeRing) }

// notice queues a notice where fewer than room are waiting; else it is lost, and counted.
//
//oob:stage oob
func (s *core) notice(kind Kind, task uint32, code uint16, a, b, room uint32) {
	q := &notices
	tail := q.tail
	if tail-mmio.Load(&q.head) >= room {
		q.lost++
		return
	}
	n := &q.ring[tail%noticeRing]
	n.time = clock()
	n.what = uint32(kind)<<24 | uint32(code)<<8 | min(task, NoTask)
	n.a, n.b = a, b
	mmio.Store(&q.tail, tail+1)
	s.wake = 1
}

// Wake sees to it that in-band is woken when the activation ends: for a task. Elsewhere it does nothing.
//
//oob:stage oob
func Wake() {
	if state.current != 0 {
		state.wake = 1
	}
}
