//go:build tamago

package divert

import "mortise/stack/stage"

// now returns the stage's counter.
//
//oob:stage any
func now() uint32 { return stage.Now() }

// elapsed returns the ticks since the activation began.
//
//oob:stage oob
func elapsed() uint32 { return stage.Elapsed() }

// wakeInband has in-band's interrupt service run.
//
//oob:stage oob
func wakeInband() { stage.Wake() }

// held reports whether activations are to wait, or will be in so many ticks.
//
//oob:stage oob
func held(ticks uint32) bool { return stage.Held(ticks) }
