package guard

import (
	"encoding/binary"
	"testing"
	"time"

	"mortise/drivers/mmio"
)

// FuzzRecord: whatever memory a record is opened on, what it tells is bounded text, and the run that begins there has a
// record that works.
func FuzzRecord(f *testing.F) {
	image := func() []byte {
		b := make([]byte, RecordSize)
		for i := range b {
			b[i] = byte(memory[i/4] >> (i % 4 * 8))
		}
		return b
	}
	r, _ := Open(base(), firmware)
	r.Beat(Beat{Uptime: time.Second, Activations: 5, Serving: true})
	f.Add(image())
	r.Fault("oob fault 1: …", 1500*time.Millisecond)
	mmio.StoreMem(r.Doing(), DoingKick)
	f.Add(image())
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		var old [len(memory) * 4]byte
		copy(old[:], b)
		for i := range memory {
			memory[i] = binary.LittleEndian.Uint32(old[4*i:])
		}
		r, c := Open(base(), firmware)
		if c != nil {
			if text := c.String(); len(text) > MaxText+4096 || len(c.Report) > MaxText || len(c.Firmware.Version) > maxVersion {
				t.Errorf("%d bytes of text, of these %d of a report, %d of a version", len(text), len(c.Report), len(c.Firmware.Version))
			}
		}
		r.Beat(Beat{Uptime: 3 * time.Second, Serving: true})
		r.Fault("why", 2*time.Second)
		if _, c := Open(base(), firmware); c == nil || !c.Same || c.Report != "why" || c.Last.Uptime != 3*time.Second || c.Trace != nil {
			t.Errorf("the run after it reads %+v", c)
		}
	})
}
