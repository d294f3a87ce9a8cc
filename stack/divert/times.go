package divert

import (
	"fmt"

	"mortise/drivers/enet"
	"mortise/drivers/mmio"
	"mortise/stack/core"
)

// Stamp has the times of the device's frames noted for who asks: by its IEEE 1588 timer, if hardware is asked for and that counts, else
// by when the stage looks; off has none noted. It returns where times are from then: core.NoTime, core.Software or core.Hardware. tickHz
// is the rate of the stage's counter.
func (p *Device) Stamp(on, hardware bool, tickHz uint32) (source uint32, err error) {
	if tickHz < 1<<16 || tickHz >= enet.TimerPeriod {
		return core.NoTime, fmt.Errorf("device %s: timestamps: a counter of %d Hz, want 65536 Hz to 1 GHz", p.name, tickHz)
	}
	if on {
		source = core.Software
	}
	if e, ok := p.driver.(*enet.Device); ok && on && hardware && e.StartTimer() {
		source = core.Hardware
	} else if ok {
		e.StopTimer()
	}
	p.rx.Lock()
	defer p.rx.Unlock()
	p.tx.Lock()
	defer p.tx.Unlock()
	v := &table[p.d]
	c := &v.clock
	c.fresh, c.nsMul = tickHz/pairsPerSecond, uint32(enet.TimerPeriod<<16/uint64(tickHz))
	c.tickMul = uint32(uint64(tickHz) << 32 / enet.TimerPeriod)
	c.restart()
	mmio.Store(&c.source, source)
	if mmio.Load(&v.diverted) != 0 {
		mmio.Store(&v.diverted, p.byOob()+v.listen)
	}
	return source, nil
}

// Stamped returns where the times of the device's frames are from: core.NoTime, core.Software or core.Hardware.
func (p *Device) Stamped() uint32 { return mmio.Load(&table[p.d].clock.source) }
