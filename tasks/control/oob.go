package control

import (
	"encoding/binary"

	"mortise/stack/socket"
	"mortise/stack/task"
)

// Set before the stage starts.
var (
	process socket.Socket // what comes from the plant, and goes to it
	link    task.Buffer   // to and from in-band
	cycle   task.Timer    // the task's period

	plant     uint32 // its address: IPv4, wire order
	plantPort uint32
	limit     uint32 // ticks from the begin of a cycle until its command has been sent
)

// The law: output = gain × error + the sum of errors × reset, in 256ths and 65,536ths.
const (
	gain      = 128
	reset     = 2048
	maxSum    = 1 << 20
	maxOutput = 10_000

	// staleAfter is the number of cycles without a message after which the output is 0.
	staleAfter = 10
	// reportEvery is the number of cycles between two reports to in-band.
	reportEvery = 1000
)

// loop is what the task keeps from cycle to cycle.
var loop struct {
	began    uint64 // the cycle, by the clock
	setpoint int32
	value    int32 // the plant's last
	sequence uint32
	silent   uint32 // cycles since it came, staleAfter at most
	sum      int32

	cycles uint32
	worst  uint32 // ticks from the begin of a cycle to the end of Send
	late   uint32 // cycles above limit
	unsent uint32 // commands that could not be sent
}

// Run is the task. It runs when a cycle begins, and when a message has come, which then waits for the next cycle.
//
//oob:stage oob
func Run() {
	receive()
	began := cycle.Expiry()
	if began == loop.began {
		return
	}
	loop.began = began
	listen()
	send(control())
	took := uint32(task.Time() - began)
	loop.worst = max(loop.worst, took)
	if took > limit {
		loop.late++
		task.Log(logLate, loop.cycles, took)
	}
	if loop.cycles++; loop.cycles%reportEvery == 0 {
		report()
	}
}

// listen takes a new setpoint from in-band: four bytes, the low one first.
//
//oob:stage oob
func listen() {
	var m [4]byte
	if n, ok := link.Receive(m[:]); ok && n == len(m) {
		loop.setpoint = int32(binary.LittleEndian.Uint32(m[:]))
	}
}

// receive keeps the newest of the plant's messages: a sequence number, and the value that it measured.
//
//oob:stage oob
func receive() {
	for range queue {
		m, status := process.Receive()
		if status != socket.OK {
			break
		}
		if m.Len >= 8 {
			loop.sequence, loop.value = m.Word(0), int32(m.Word(4))
			loop.silent = 0
		}
		m.Release()
	}
}

// control returns the output for what is known of the plant: 0 if that is old.
//
//oob:stage oob
func control() int32 {
	if loop.silent < staleAfter {
		if loop.silent++; loop.silent == staleAfter {
			task.Log(logStale, loop.sequence, 0)
		}
	}
	if loop.silent >= staleAfter {
		loop.sum = 0
		return 0
	}
	e := int32(max(-maxOutput, min(int64(loop.setpoint)-int64(loop.value), maxOutput)))
	loop.sum = max(-maxSum, min(loop.sum+e, maxSum))
	return max(-maxOutput, min(e*gain>>8+loop.sum*(reset>>8)>>8, maxOutput))
}

// send sends the output to the plant, with the number of the cycle and that of the plant's message.
//
//oob:stage oob
func send(output int32) {
	var m socket.Message
	status := process.Compose(&m, plant, plantPort)
	if status == socket.OK {
		m.SetWord(0, loop.cycles)
		m.SetWord(4, loop.sequence)
		m.SetWord(8, uint32(output))
		status = process.Send(&m, 12)
	}
	if status != socket.OK {
		loop.unsent++
	}
}

// report tells in-band how it goes: six numbers of four bytes, the low one first.
//
//oob:stage oob
func report() {
	var m [24]byte
	binary.LittleEndian.PutUint32(m[0:], loop.cycles)
	binary.LittleEndian.PutUint32(m[4:], loop.worst)
	binary.LittleEndian.PutUint32(m[8:], loop.late)
	binary.LittleEndian.PutUint32(m[12:], loop.unsent)
	binary.LittleEndian.PutUint32(m[16:], uint32(loop.value))
	binary.LittleEndian.PutUint32(m[20:], uint32(loop.setpoint))
	link.Send(m[:])
}
