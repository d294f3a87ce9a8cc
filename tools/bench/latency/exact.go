package latency

import (
	"fmt"
	"time"

	"mortise/tools/bench/plugin"
	"mortise/tools/qemu"
)

// tdar is the register of ENET1 whose store starts a transmission (p1014, TDAR, IMX6ULLRM: offset 0x14).
const tdar = 0x02188014

// ownCode is what the names of the firmware's own functions begin with: the driver, which stores to TDAR, is among them.
const ownCode = "mortise/"

// watch returns what the plugin has to watch in the firmware at kernel: the stores to ENET1's TDAR.
func watch(kernel, out string) (plugin.Watch, error) {
	code, err := plugin.Code(kernel, ownCode)
	return plugin.Watch{Out: out, Stores: []uint32{tdar}, Code: code}, err
}

// refine gives the frames that the guest sent the time of the store that sent them: it lies in the capture's
// microsecond. A store sends what is ready, so each frame has a store of its own or shares the last one.
func refine(records []Record, stores []plugin.Store) error {
	boot, err := time.Parse("2006-01-02T15:04:05", qemu.BootTime)
	if err != nil {
		return err
	}
	last := int64(-1) // the store that was used last
	for i := range records {
		r := &records[i]
		if p, ok := parsePacket(r.Frame); !ok || p.source == peerMAC {
			continue
		}
		at := r.MicroS - boot.UnixMicro()
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
