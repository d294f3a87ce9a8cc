package divert

// mustWait reports whether a hold of the stage is so near that no other frame is to be served ahead of it, after so many.
//
//oob:stage any
//go:noinline
func (v *device) mustWait(after uint32) bool { return v.diverted != 0 && held(after*v.tailTicks) }
