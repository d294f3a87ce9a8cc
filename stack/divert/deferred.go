package divert

// deferred is for a device that is neither driven nor listened: it reports whether the oob stage drives it all the same. That is so for
// one that is stamped; and for one with a driver that runs in-band, where it has in-band run once the activation is over, to send what is in
// the transmit ring by then.
//
// That is all that the oob stage does for a driver that runs in-band. What Poll puts into the transmit ring, in the activation that the
// driver's goroutine has caused, and what Send does in one that Device.Send or sent has caused, in-band takes out by itself.
//
//oob:stage oob
//go:noinline
func (v *device) deferred() bool {
	if v.diverted == 0 {
		return false
	}
	if v.diverted < stamped {
		wakeInband()
	}
	return true
}
