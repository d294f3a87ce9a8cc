package enettest

// Registers and bits of the IEEE 1588 timer (chapter 22, IMX6ULLRM), spelled out again.
const (
	atcr, atvr, atper, atinc, atstmp = 0x400, 0x404, 0x40c, 0x414, 0x418

	timerOn, timerWraps, timerRestart, timerCapture = 1 << 0, 1 << 4, 1 << 9, 1 << 11

	evStamp = 1 << 16

	stamped    = 1 << 29 // word 2: TS
	stampError = 1 << 8  // word 2: TSE

	// clockNS is the period of ts_clk: 25 MHz.
	clockNS = 40
	// syncReads is how many reads of registers a captured value takes to come over at most: six cycles of ts_clk, if a read takes
	// two cycles of the 66 MHz bus.
	syncReads = 6 * clockNS / 30
)

// timer is the IEEE 1588 timer. It needs ENET.Now.
type timer struct {
	start    uint64 // when it was 0
	was      uint32 // its value while it stands
	on       bool
	capture  int // reads until a captured value has come over, plus one; 0: none is under way
	captured uint32
}

// value returns the time by the timer.
func (t *timer) value(e *ENET) uint32 {
	if e.Now == nil || !t.on {
		return t.was
	}
	steps := (e.Now() - t.start) / clockNS
	v := steps * uint64(e.regs[atinc/4]&0x7f)
	if e.regs[atcr/4]&timerWraps != 0 {
		return uint32(v % uint64(e.regs[atper/4]))
	}
	return uint32(v)
}

// control is a write of ATCR: beside RESTART and CAPTURE the other fields are ignored.
func (t *timer) control(e *ENET, v uint32) {
	switch {
	case v&timerRestart != 0:
		t.was = 0
		if e.Now != nil {
			t.start = e.Now()
		}
	case v&timerCapture != 0:
		if e.Now != nil {
			t.capture, t.captured = syncReads+1, t.value(e)
		}
	default:
		now := t.value(e)
		if on := v&timerOn != 0; on && !t.on && e.Now != nil {
			if step := uint64(e.regs[atinc/4] & 0x7f); step != clockNS {
				e.tb.Errorf("ATINC.INC = %d at a clock of %d ns", step, clockNS)
			}
			t.start = e.Now() - uint64(t.was)
		} else if !on {
			t.was = now
		}
		t.on = v&timerOn != 0
		e.regs[atcr/4] = v
	}
}

// read is what a read of any register does: it takes time.
func (t *timer) read(e *ENET, off uint32) {
	if t.capture == 0 {
		return
	}
	if t.capture--; t.capture == 0 {
		e.regs[atvr/4] = t.captured
		return
	}
	if off == atvr {
		e.tb.Errorf("ATVR read %d reads too early behind ATCR.CAPTURE", t.capture)
	}
}

// stampReceived gives a frame that has come in the time.
func (t *timer) stampReceived(e *ENET, d *[8]uint32) {
	if e.Now != nil {
		d[5] = t.value(e)
	}
}

// stampSent gives a frame that has left the time, if it asks for it.
func (t *timer) stampSent(e *ENET, d *[8]uint32) {
	if e.Now == nil || d[2]&stamped == 0 {
		return
	}
	if d[2] &^= stampError; e.StampFail > 0 {
		e.StampFail--
		d[2] |= stampError
		return
	}
	d[5] = t.value(e)
	e.regs[atstmp/4] = d[5]
	e.regs[eir/4] |= evStamp
}
