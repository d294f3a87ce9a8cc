//go:build tamago

package main

import (
	"fmt"

	"mortise/stack/stage"
)

// testHold kicks the stage at each distance ahead of an expiry that is held clear: the timer's activation comes first, and as
// punctually as without a kick.
func testHold() {
	const (
		// slack is by how many ticks, of two instructions each, it may come later than without a kick: the round of the wait that
		// is under way, and what the vector does between its look at the clock and the wait.
		slack = 8
		hold  = 50_000 // of it in a second
	)
	ahead := stage.TicksPerSecond() / hold
	defer stage.Hold(0, 0)

	// In real time the host may be away for longer than all that.
	exact := virtualTime()
	alone, _ := expire(0, 0)
	if _, first := expire(0, ahead/2); exact && !first {
		failf("hold: nothing is held, and a kick waited")
	}
	most := uint32(0)
	for distance := ahead - ahead/4; distance != 0; {
		late, first := expire(ahead, distance)
		if exact && first {
			failf("hold: a kick %d ticks ahead of an expiry came first", distance)
		}
		if exact && late > alone+slack {
			failf("hold: with a kick %d ticks ahead the activation came %d ticks late, %d without", distance, late, alone)
		}
		most = max(most, late)
		if distance > 64 {
			distance -= distance / 8
		} else {
			distance--
		}
	}

	// A hold that nothing ends but its time.
	kicks, from := oob.kicks.Load(), stage.Now()
	stage.Hold(from, ahead)
	stage.Kick()
	took := stage.Now() - from
	if oob.kicks.Load() != kicks+1 || exact && took < ahead {
		failf("hold: a kick in a hold of %d ticks was over after %d", ahead, took)
	}
	fmt.Printf("hold: %d ticks late at most, %d without a kick\n", most, alone)
}

// expire has the timer expire, with so many ticks held ahead of it, and a kick at that distance in ticks, if not 0. It returns how
// many ticks late the timer's activation came, and whether the kick's came first.
func expire(ahead, distance uint32) (late uint32, kickFirst bool) {
	const begin = 4 // times ahead: between the call and the expiry
	startTicks(begin*stage.TicksPerSecond()/10_000, 1)
	due := oob.due
	stage.Hold(due-ahead, ahead)
	if distance != 0 {
		kicks := oob.kicks.Load()
		for stage.Now()-(due-distance) >= 1<<31 {
		}
		stage.Kick()
		kickFirst = oob.left.Load() != 0
		if oob.kicks.Load() != kicks+1 {
			failf("hold: a kick %d ticks ahead of an expiry did not come", distance)
		}
	}
	for oob.left.Load() != 0 {
	}
	return oob.late, kickFirst
}
