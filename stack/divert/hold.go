package divert

// mustWait reports whether a hold of the stage is so near that no other frame is to be served ahead of it, after Poll has counted to i.
//
//oob:stage any
//go:noinline
func (v *device) mustWait(i uint32) bool { return v.diverted != 0 && held((i-v.spent)*v.tailTicks) }
