//go:build tamago

package main

import (
	"sync/atomic"
	_ "unsafe" // go:linkname

	"mortise/drivers/mmio"
	"mortise/stack/stage"
)

// oob is the state of the oob side, pointer-free.
var oob struct {
	left        atomic.Uint32 // periodic activations to come
	period, due uint32
	early, late uint32 // least and most ticks between due and the handler's first look at the clock
	missed      uint32

	kicks  atomic.Uint32
	answer atomic.Uint32 // wake in-band on a kick
	inject atomic.Uint32 // the fault to have on the next activation
	watch  atomic.Uint32 // say so when the periodic activations are over
	fired  uint32        // set by each activation

	clobber atomic.Uint32 // use all registers that Go code may change
}

//oob:stage oob
//go:linkname dispatch mortise/stack/stage.dispatch
func dispatch(id uint32) {
	now := stage.Now()
	oob.fired = 1
	if oob.clobber.Load() != 0 {
		clobber()
	}
	if kind := oob.inject.Load(); kind != 0 {
		oob.inject.Store(0)
		stage.Disarm()
		inject(kind)
		return
	}
	switch id {
	case stage.TimerPPI:
		tick(now)
	case stage.KickSGI:
		oob.kicks.Store(oob.kicks.Load() + 1)
		if oob.answer.Load() != 0 {
			stage.Wake()
		}
	}
}

// startTicks starts n activations, period ticks apart.
func startTicks(period, n uint32) {
	oob.early, oob.late, oob.missed = ^uint32(0), 0, 0
	oob.period, oob.due = period, stage.Now()+period
	oob.left.Store(n)
	stage.ArmAt(oob.due)
}

//oob:stage oob
func tick(now uint32) {
	if late := now - oob.due; late < 1<<31 {
		oob.early = min(oob.early, late)
		oob.late = max(oob.late, late)
		if late >= oob.period {
			oob.missed++
		}
	}
	left := oob.left.Load()
	if left <= 1 {
		oob.left.Store(0)
		stage.Disarm()
		if oob.watch.Load() != 0 {
			outlived()
		}
		return
	}
	oob.left.Store(left - 1)
	oob.due += oob.period
	// A host that had no time for the emulator: start the period anew instead of catching up.
	if now-oob.due < 1<<31 {
		oob.due = now + oob.period
	}
	stage.ArmAt(oob.due)
}

const message = "\nSTAGETEST OUTLIVED, ticks late: "

// outlived prints the message, and the least and most ticks that an activation came late.
//
//oob:stage oob
func outlived() {
	for i := range len(message) {
		put(uint32(message[i]))
	}
	putHex(oob.early)
	put(' ')
	putHex(oob.late)
	put('\n')
}

//oob:stage oob
func putHex(v uint32) {
	const digits = "0123456789abcdef"
	for i := range 8 {
		put(uint32(digits[v>>(28-4*i)&15]))
	}
}

// put writes to the console's transmitter: in-band is dead when oob does.
//
//oob:stage oob
func put(c uint32) {
	for range 1 << 16 {
		if mmio.Read(consoleStatus)&consoleFull == 0 {
			break
		}
	}
	mmio.Write(consoleData, c)
}
