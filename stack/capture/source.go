package capture

import (
	"time"

	"mortise/stack/frame"
	"mortise/stack/neigh"
	"mortise/stack/socket"
	"mortise/stack/task"
)

// Oob opens what comes in on an oob port, ahead of what decides on it: a raw socket of the oob stage's for all frames. Each frame costs
// that stage a copy into a buffer of the port's pool, of which it holds most at a time; what exceeds that, or the copies that an activation
// makes, the capture misses. long returns how long so many ticks of the stage's counter are.
func Oob(port neigh.Port, most int, long func(ticks uint64) time.Duration, take Take) (Source, error) {
	conn, err := socket.ListenFrames(socket.AllFrames, socket.Options{Device: &port, Queue: min(max(most, 1), socket.QueueSize)})
	if err != nil {
		return nil, err
	}
	began, start := task.Time(), time.Now()
	go func() {
		buf := make([]byte, frame.MaxLen)
		for {
			r, err := conn.ReadMessage(buf)
			if err != nil {
				return // closed
			}
			take(start.Add(long(elapsed(began, task.Time(), r.Queued))), buf[:r.N], r.Whole)
		}
	}()
	return conn, nil
}

// elapsed returns the ticks from began until the counter's low word was queued, not long before now.
func elapsed(began, now uint64, queued uint32) uint64 {
	return now - uint64(uint32(now)-queued) - began
}

// Inband is a source in in-band's way: Close takes it out of there.
type Inband func()

// Dropped returns 0: in-band waits for the capture.
func (Inband) Dropped() uint32 { return 0 }

// Close ends it.
func (remove Inband) Close() error {
	remove()
	return nil
}
