package socket

// Identification is identify.
func Identification(dst uint32) (id uint32, ok bool) { return identify(dst) }
