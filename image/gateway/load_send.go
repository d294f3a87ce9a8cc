//go:build tamago && load_send

package main

import "fmt"

func init() {
	loads = append(loads, func(g *gatewayImage) {
		for i, d := range g.devices {
			if g.tables.Devices[i].Diverted {
				fmt.Printf("load: send on %s\n", d.Name())
				go g.send(i)
				return
			}
		}
	})
}

const (
	// sendPause bounds the pause behind each frame, in rounds of a loop of four instructions or so: with the frame's own
	// instructions, tens of thousands of frames a second, and an oob stage that a third of the time sends one.
	sendPause = 128
	// sendType is IEEE 802's local experimental EtherType 1 (IEEE Std 802-2014, 9.2.4): nobody's protocol.
	sendType = 0x88b5
)

// send has in-band send frames to nobody on a device of the oob stage, one at a time, each with a kick of its own. The pause
// in between varies, so that in time a kick meets any moment of what comes in. It never yields.
func (g *gatewayImage) send(device int) {
	d := g.devices[device]
	frame := make([]byte, 60)
	copy(frame, []byte{0x02, 0, 0, 0, 0xff, 0xff})
	mac := d.MAC()
	copy(frame[6:], mac[:])
	frame[12], frame[13] = sendType>>8, sendType&0xff
	fill := func(b []byte) { copy(b, frame) }
	for r := uint32(1); ; {
		d.Send(len(frame), fill)
		// xorshift (Marsaglia, Xorshift RNGs, 2003): all values but 0, in no order.
		r ^= r << 13
		r ^= r >> 17
		r ^= r << 5
		for range r % sendPause {
			spent++
		}
	}
}

// spent keeps the pause's work observable.
var spent uint32
