package divert

// mustWait reports whether a hold of the stage is so near that no other frame is to be served ahead of it, after Poll has counted to i:
// each frame served has its tail, and all together have one more, in which they go to in-band.
//
//oob:stage any
//go:noinline
func (v *device) mustWait(i uint32) bool {
	return v.diverted != 0 && held((i-v.spent+1)*v.tailTicks)
}
