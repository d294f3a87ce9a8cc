package socket

// tally is what the oob stage counts of a port, modulo 2³²: frames, and the bytes of whole frames without their FCS. Packets that
// the stage answers by itself are counted behind the answer, what a socket sends behind its hand-over; what a socket gets,
// where it is queued.
type tally struct {
	answered uint32 // frames that the stage answered
	unsent   uint32 // of these, answers that found no room
	queued   uint32 // frames for sockets
	taken    uint32 // frames that the stage took in without an answer, and fragments for sockets
	sent     uint32 // frames from sockets
	dropped  uint32
	// rxBytes are those of what was answered and taken; of what was queued all but the headers of IPv4 and UDP, which follow
	// from queued.
	rxBytes uint32
	txBytes uint32
}

// headers are the bytes of a queued frame that rxBytes leaves out.
const headers = 20 + 8

// Answered counts a frame of n bytes that came on the port of an index, and its answer: of sent bytes, or 0 if there was no room.
//
//oob:stage oob
func Answered(i, n, sent uint32) {
	t := &ports[i%tablePorts].tally
	t.answered++
	t.rxBytes += n
	t.txBytes += sent
	if sent == 0 {
		t.unsent++
	}
}

// Taken counts a frame of n bytes that the stage took in, or a fragment that a socket's datagram has.
//
//oob:stage oob
func Taken(i, n uint32) {
	t := &ports[i%tablePorts].tally
	t.taken++
	t.rxBytes += n
}

// Lost counts a frame of the port that was dropped.
//
//oob:stage oob
func Lost(i uint32) { ports[i%tablePorts].tally.dropped++ }
