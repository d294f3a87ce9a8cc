package socket

import "time"

// Identification is identify.
func Identification(dst uint32) (id uint32, ok bool) { return identify(dst) }

// GiveAfter sets how long the buffers of messages that were read may stay.
func GiveAfter(d time.Duration) { giveAfter = d }

// IsTold reports whether Deliver knows c.
func IsTold(c *Conn) bool {
	conns.Lock()
	defer conns.Unlock()
	return conns.of[c.s] == c
}
