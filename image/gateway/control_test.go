package main_test

import (
	"encoding/binary"
	"regexp"
	"strconv"
	"testing"
	"time"

	"mortise/stack/wire"
	"mortise/tools/qemu"
)

// The example of docs/tutorial.md, its UDP ports, and what the plant says.
const (
	controlPort = 5042
	plantPort   = 5043
	impostor    = 5044 // who says more on it is not the plant
)

func plantValue(sequence uint32) int32 { return int32(sequence*7919%4000) - 2000 }

// measured sends what the plant measures.
func (r *rig) measured(sequence uint32) { r.say(plantPort, sequence, plantValue(sequence)) }

// say sends a value from a UDP port of the plant's address.
func (r *rig) say(port uint16, sequence uint32, value int32) {
	message := binary.BigEndian.AppendUint32(nil, sequence)
	message = binary.BigEndian.AppendUint32(message, uint32(value))
	if err := r.rt.Send(wire.AppendUDP(nil, r.header(vlanTag), port, controlPort, message)); err != nil {
		r.t.Error(err)
	}
}

// Each command is what the law makes of the plant's newest message, whatever others send; without messages the output is 0.
func TestControlLoop(t *testing.T) {
	t.Parallel()
	const (
		setpoint = 1000
		commands = 1200
	)
	// The machine's clock goes with ours, so that it waits for us.
	r := bootImage(t, tasksImage(t, "control"), options{icount: &qemu.Icount{Shift: timerShift, Sleep: true}})
	r.resolve(vlanTag, vlanIP, vlanPeer) // and so it knows us

	var sent, last, lastCycle, silent uint32
	var sum int32
	heard := 0
	for n := 0; n < commands; {
		b, err := r.rt.Receive(replyLimit)
		if err != nil {
			t.Fatalf("command %d: %v", n, err)
		}
		const ip, udp, data = 18, 38, 46
		if len(b) < data+12 || binary.BigEndian.Uint32(b[12:]) != 0x81000000|vlan || binary.BigEndian.Uint16(b[udp+2:]) != plantPort {
			continue
		}
		cycle, sequence, output := binary.BigEndian.Uint32(b[data:]), binary.BigEndian.Uint32(b[data+4:]), int32(binary.BigEndian.Uint32(b[data+8:]))
		if sequence>>31 != 0 {
			t.Fatalf("cycle %d answers a message that is not the plant's", cycle)
		}
		if n == 0 && output != 0 {
			t.Fatalf("the first command is %d, want 0: nothing is known of the plant", output)
		}
		if n > 0 && cycle != lastCycle+1 {
			t.Fatalf("command of cycle %d behind that of %d", cycle, lastCycle)
		}
		if n == 0 {
			silent = 10
		}
		if silent++; sequence != last {
			silent, last = 1, sequence
			heard++
		}
		want := int32(0)
		if silent >= 10 {
			sum = 0
		} else {
			e := max(-10_000, min(setpoint-plantValue(sequence), 10_000))
			sum = max(-1<<20, min(sum+e, 1<<20))
			want = max(-10_000, min(e>>1+sum>>5, 10_000))
		}
		if output != want {
			t.Fatalf("cycle %d, message %d, silent for %d: output %d, want %d", cycle, sequence, silent, output, want)
		}
		lastCycle = cycle
		n++
		sent++
		r.measured(sent)
		r.say(impostor, sent|1<<31, 0)
	}
	if heard < commands/10 {
		t.Errorf("%d of %d messages were taken", heard, sent)
	}
	go r.drain()
	r.waitFor("control: no message from the plant since number ")
}

// drain takes what comes, so that it does not fill the cable.
func (r *rig) drain() {
	for {
		if _, err := r.rt.Receive(time.Minute); err != nil {
			return
		}
	}
}

// A thousand commands a second, none later than 100 µs after the begin of its cycle, with messages coming all the time.
func TestControlDeadline(t *testing.T) {
	t.Parallel()
	r := bootImage(t, tasksImage(t, "control"), options{icount: &qemu.Icount{Shift: timerShift}})
	r.resolve(vlanTag, vlanIP, vlanPeer)
	go r.drain()
	for n := range uint32(300) {
		r.measured(n)
		time.Sleep(time.Millisecond)
	}
	r.waitFor("control: 2000 cycles")

	log, err := r.process.Serial()
	if err != nil {
		t.Fatal(err)
	}
	reports := regexp.MustCompile(`control: (\d+) cycles, at worst sent after (\S+), (\d+) late, (\d+) unsent`).FindAllStringSubmatch(log, -1)
	if len(reports) == 0 {
		t.Fatalf("no report:\n%s", log)
	}
	m := reports[len(reports)-1]
	worst, err := time.ParseDuration(m[2])
	late, _ := strconv.Atoi(m[3])
	if err != nil || worst == 0 || worst > 100*time.Microsecond || late != 0 {
		t.Errorf("%s: want no cycle later than 100 µs", m[0])
	}
	t.Log(m[0])
}
