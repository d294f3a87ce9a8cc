package enet

import "time"

// timerPeriod is the timer's period in nanoseconds, a multiple of each step: 1 s, the reset value of ATPER.
const timerPeriod = 1_000_000_000

// minTimerHz is what ATINC.INC has room for: 127 ns.
const minTimerHz = 8_000_000

// countTime is how long a timer that does not count is given until it is known: hundreds of its steps.
const countTime = 20 * time.Microsecond

// StartTimer starts the IEEE 1588 timer and reports whether it counts: the emulator's does not. It runs after each further
// initialisation, too, from 0 on; Counts tells of it then. The stage that drives the port must not do so meanwhile.
func (dev *Device) StartTimer() (counts bool) {
	dev.mu.Lock()
	defer dev.mu.Unlock()
	dev.timer = true
	if !dev.running {
		return false
	}
	dev.startTimer()
	return dev.counts()
}

// Counts reports whether the timer counts, under StartTimer's condition.
func (dev *Device) Counts() bool {
	dev.mu.Lock()
	defer dev.mu.Unlock()
	return dev.timer && dev.running && dev.counts()
}

// StopTimer stops the timer: frames received keep its last value.
func (dev *Device) StopTimer() {
	dev.mu.Lock()
	defer dev.mu.Unlock()
	dev.timer = false
	dev.write(ATCR, 0)
}

// startTimer lets the timer count nanoseconds from 0 on, and begin again each second: uncorrected, at the rate of its clock.
// RESTART comes alone, since the other fields are ignored beside it (ENETx_ATCR, chapter 22, IMX6ULLRM).
func (dev *Device) startTimer() {
	if dev.cfg.TimerHz == 0 {
		return
	}
	dev.write(ATCR, 0)
	dev.write(ATINC, timerPeriod/dev.cfg.TimerHz<<ATINC_INC)
	dev.write(ATCOR, 0)
	dev.write(ATPER, timerPeriod)
	dev.write(ATCR, ATCR_RESTART)
	dev.write(ATCR, ATCR_PEREN|ATCR_EN)
}

// counts reports whether the timer moves.
func (dev *Device) counts() bool {
	if dev.cfg.TimerHz == 0 {
		return false
	}
	before := dev.hw.Capture()
	dev.cfg.Clock.Sleep(countTime)
	return dev.hw.Capture() != before
}
