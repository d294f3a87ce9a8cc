package socket

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"mortise/drivers/mmio"
)

// String returns the timestamps as they are shown.
func (t Timestamps) String() string {
	var s []string
	for i, name := range [...]string{"received", "sent", "device", "queued"} {
		if t>>i&1 != 0 {
			s = append(s, name)
		}
	}
	return strings.Join(s, " ")
}

// ErrTimestamps is wrapped where a device's time is asked for that the device does not note.
var ErrTimestamps = errors.New("timestamps are off on the device")

// String returns the source as it is shown.
func (s Source) String() string {
	switch s {
	case Software:
		return "software"
	case Hardware:
		return "hardware"
	}
	return "off"
}

// check refuses timestamps that make no sense.
func (t Timestamps) check() error {
	if t != 0 && (t >= noStamps || t&(StampReceived|StampSent) == 0 || t&(StampDevice|StampQueued) == 0) {
		return fmt.Errorf("socket: timestamps %#x: want of which messages (StampReceived, StampSent), and which (StampDevice, StampQueued): %w", uint32(t), ErrOption)
	}
	return nil
}

// stamp gives a socket that is being opened its timestamps. A socket that is bound to a port of a device that notes none gets none of the
// device's; of what it sends it gets none at all.
func (q *sock) stamp(s uint32, want Timestamps) error {
	if err := want.check(); err != nil {
		return err
	}
	q.self, q.stamps = s, want
	if want == 0 {
		return nil
	}
	if i := q.device - 1; i < MaxPorts && want&(StampDevice|StampSent) != 0 && state.times != nil {
		if dev := ports[i].name.Dev(); i != Loopback && !state.times(dev) {
			return fmt.Errorf("socket: port %s: %w", state.texts[i], ErrTimestamps)
		}
	}
	if want.has(StampReceived|StampDevice) && !q.isConn() {
		q.task += apart
	}
	life := timings[s].life
	timings[s] = timing{life: (life + 1) % (1 << (numberShift - lifeShift))}
	return nil
}

// watch says of each port whether a socket asks when messages leave by it.
func watch() {
	for i := range uint32(MaxPorts) {
		asks := uint32(0)
		for s := range socks {
			if q := &socks[s]; q.kind != closed && q.stamps.has(StampSent) && (q.device == 0 || q.device == i+1) && i != Loopback {
				asks = 1
			}
		}
		mmio.Store(&timers[i], asks)
		if how := mmio.Load(&ports[i].up); how&wired != 0 {
			atomic.CompareAndSwapUint32(&ports[i].up, how, wired|asks*timed) // or the port has gone down meanwhile
		}
	}
}
