package inband

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// tap shows the frames of a port.
type tap struct {
	vid      uint16
	received bool // those received, too; else only those sent
	f        func(b []byte)
}

// Tap calls f for each frame that this stack sends on the port of a device with VLAN ID vid, 0 for its untagged frames, and with received
// for each that comes for it, whatever becomes of it; until remove is called. b is valid during the call. f is called on the goroutines
// that carry the frames: they wait for it.
func (s *Stack) Tap(device int, vid uint16, received bool, f func(b []byte)) (remove func(), err error) {
	if device < 0 || device >= len(s.devices) {
		return nil, fmt.Errorf("in-band: device %d of %d", device, len(s.devices))
	}
	d, t := s.devices[device], &tap{vid, received, f}
	s.changing.Lock()
	defer s.changing.Unlock()
	list := append(d.tapped(), t)
	d.taps.Store(&list)
	return func() {
		s.changing.Lock()
		defer s.changing.Unlock()
		list := slices.DeleteFunc(d.tapped(), func(other *tap) bool { return other == t })
		if len(list) == 0 {
			d.taps.Store(nil)
			return
		}
		d.taps.Store(&list)
	}, nil
}

// tapped returns a copy of the list of taps.
func (d *Device) tapped() []*tap {
	if taps := d.taps.Load(); taps != nil {
		return slices.Clone(*taps)
	}
	return nil
}

// show calls those of taps that want a frame.
func show(taps []*tap, b []byte, received bool) {
	vid := uint16(0)
	if len(b) >= etherLen+tagLen && binary.BigEndian.Uint16(b[12:]) == ctag {
		vid = binary.BigEndian.Uint16(b[14:]) & vidMask
	}
	for _, t := range taps {
		if t.vid == vid && (t.received || !received) {
			t.f(b)
		}
	}
}
