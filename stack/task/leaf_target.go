//go:build tamago

package task

import "mortise/stack/stage"

// run calls the task's function: the image provides it.
//
//oob:stage oob
func run(id uint32)

//oob:stage any
func now() uint32 { return stage.Now() }

//oob:stage any
func clock() uint64 { return stage.Time() }

//oob:stage any
func arm(time uint64) { stage.ArmTime(time) }

//oob:stage oob
func disarm() { stage.Disarm() }

//oob:stage any
func hold(from, ticks uint32) { stage.Hold(from, ticks) }

//oob:stage oob
func wake() { stage.Wake() }

//oob:stage inband
func kick() { stage.Kick() }

//oob:stage any
func activations() uint32 { return stage.Activations() }
