//go:build tamago && arm

package main

import (
	"fmt"
	"runtime/goos"
	"time"

	_ "github.com/usbarmory/tamago/board/nxp/mx6ullevk"
	"github.com/usbarmory/tamago/soc/nxp/imx6ul"
)

// TIMER_IRQ is the physical timer's interrupt (PPI 13: GICv2 ID 29).
const TIMER_IRQ = 29

func init() { register(check{"interrupts and idle", interrupts}) }

// interrupts has the timer interrupt a machine that idles with no timer of the
// runtime pending: each must get through TamaGo's vector, os/signal.Relay and
// the scheduler to the handler.
func interrupts() error {
	const count = 20

	idled, fired, done := 0, 0, make(chan bool)

	idle := goos.Idle
	goos.Idle = func(until int64) { idled++; idle(until) }
	defer func() { goos.Idle = idle }()

	imx6ul.GIC.Init()
	imx6ul.GIC.EnableInterrupt(TIMER_IRQ)

	alarm := func() { imx6ul.ARM.SetAlarm(imx6ul.ARM.GetTime() + int64(time.Millisecond)) }

	go imx6ul.ARM.ServiceInterrupts(func() {
		if imx6ul.GIC.GetInterrupt() != TIMER_IRQ {
			return
		}
		if fired++; fired == count {
			imx6ul.ARM.SetAlarm(0)
			close(done)
			return
		}
		alarm()
	})

	alarm()
	<-done

	if idled < count/2 {
		return fmt.Errorf("idle %d times in %d interrupts", idled, count)
	}

	return nil
}
