package latency

import (
	"fmt"
	"slices"
	"time"

	"mortise/tools/bench/plugin"
	"mortise/tools/packet"
	"mortise/tools/qemu"
)

// tdar is the register of ENET1 whose store starts a transmission (p1014, TDAR, IMX6ULLRM: offset 0x14).
const tdar = 0x02188014

// ownCode is what the names of the firmware's own functions begin with: the driver, which stores to TDAR, is among them, and
// all that the oob stage runs.
var ownCode = []string{"mortise/", "main."}

// The oob stage's activations: from stage's vector to the instruction that it returns with, and the register of the
// interrupt controller that each stores to when it acknowledges (4.4.5, IHI 0048B.b, GICC_EOIR).
const (
	vector       = "mortise/stack/stage.fiqVector"
	vectorReturn = 0xe25ef004 // subs pc, lr, #4
	eoir         = 0x00a02010
)

// watch returns what the plugin has to watch in the firmware at kernel: the stores to ENET1's TDAR, and the activations of
// the oob stage if the firmware has one. code is what the names of the functions that store begin with.
func watch(kernel, out string, code []string) (w plugin.Watch, err error) {
	w = plugin.Watch{Out: out, Stores: []uint32{tdar}}
	if w.Code, err = plugin.Code(kernel, code...); err != nil {
		return w, err
	}
	if entry, exit, err := plugin.Find(kernel, vector, vectorReturn); err == nil {
		w.Handler = plugin.Handler{Entry: entry, Exit: exit, Stamp: eoir}
	}
	return w, nil
}

// Activations are those of the oob stage from the first measured request to the last reply, whatever caused them, in
// instructions. From when a request enters the NIC to when its own activation begins it may have to wait for another one.
type Activations struct {
	Number          int
	Median, Longest int64
}

// activations sums up those that began while the samples were taken.
func activations(all []plugin.Activation, records []Record, samples []Sample) (a Activations) {
	if len(samples) == 0 || len(records) == 0 {
		return a
	}
	first := (records[0].MicroS - bootMicroS() + samples[0].AtMicroS) * 1000
	last := first
	for _, s := range samples {
		last = max(last, (records[0].MicroS-bootMicroS()+s.AtMicroS)*1000+s.LatencyNS)
	}
	var lengths []int64
	for _, one := range all {
		if one.NS >= first && one.NS <= last {
			lengths = append(lengths, one.Instructions)
		}
	}
	if lengths == nil {
		return a
	}
	slices.Sort(lengths)
	return Activations{len(lengths), rank(lengths, 50), lengths[len(lengths)-1]}
}

// bootMicroS is when the virtual clock stands at 0, as captures have it.
func bootMicroS() int64 {
	boot, err := time.Parse("2006-01-02T15:04:05", qemu.BootTime)
	if err != nil {
		panic(err) // a constant
	}
	return boot.UnixMicro()
}

// bySelf reports whether the guest sent a frame of rt0's capture: all but what comes from us.
func bySelf(p *packet.Packet) bool { return p.Source != peerMAC }

// refine gives the frames that the guest sent, as sent tells, the time of the store that sent them: it lies in the capture's
// microsecond. A store sends what is ready, so each frame has a store of its own or shares the last one.
func refine(records []Record, stores []plugin.Store, sent func(*packet.Packet) bool) error {
	boot := bootMicroS()
	last := int64(-1) // the store that was used last
	for i := range records {
		r := &records[i]
		if p, ok := packet.Parse(r.Frame); !ok || !sent(&p) {
			continue
		}
		at := r.MicroS - boot
		for len(stores) > 0 && stores[0].NS/1000 < at {
			stores = stores[1:]
		}
		if len(stores) > 0 && stores[0].NS/1000 == at {
			last, stores = stores[0].NS, stores[1:]
		}
		if last/1000 != at {
			return fmt.Errorf("frame %d of the capture left at %d µs, and no store to TDAR sent it then", i+1, at)
		}
		r.NS = last % 1000
	}
	return nil
}
