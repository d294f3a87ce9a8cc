//go:build tamago

package divert

import "mortise/stack/stage"

// now returns the stage's counter.
//
//oob:stage any
func now() uint32 { return stage.Now() }

// wakeInband has in-band's interrupt service run.
//
//oob:stage oob
func wakeInband() { stage.Wake() }
