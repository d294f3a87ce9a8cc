package enet

import (
	"mortise/drivers/mmio"
	"mortise/drivers/nic"
)

// Totals: the port's counters, then good frames received and frames queued, all widened to 64 bits.
const (
	totalRx = NumCounters + iota
	totalTx
	numTotals
)

// mib names the MIB counters: p879, 22.5 Memory map/register definition, IMX6ULLRM. RMON_ are those of RFC 2819, IEEE_
// those of IEEE 802.3.
var mib = []struct {
	off  uintptr
	name string
}{
	{0x204, "rmon_t_packets"},
	{0x208, "rmon_t_bc_pkt"},
	{0x20c, "rmon_t_mc_pkt"},
	{0x210, "rmon_t_crc_align"},
	{0x214, "rmon_t_undersize"},
	{0x218, "rmon_t_oversize"},
	{0x21c, "rmon_t_frag"},
	{0x220, "rmon_t_jab"},
	{0x224, "rmon_t_col"},
	{0x228, "rmon_t_p64"},
	{0x22c, "rmon_t_p65to127"},
	{0x230, "rmon_t_p128to255"},
	{0x234, "rmon_t_p256to511"},
	{0x238, "rmon_t_p512to1023"},
	{0x23c, "rmon_t_p1024to2047"},
	{0x240, "rmon_t_p_gte2048"},
	{0x244, "rmon_t_octets"},
	{0x24c, "ieee_t_frame_ok"},
	{0x250, "ieee_t_1col"},
	{0x254, "ieee_t_mcol"},
	{0x258, "ieee_t_def"},
	{0x25c, "ieee_t_lcol"},
	{0x260, "ieee_t_excol"},
	{0x264, "ieee_t_macerr"},
	{0x268, "ieee_t_cserr"},
	{0x270, "ieee_t_fdxfc"},
	{0x274, "ieee_t_octets_ok"},
	{0x284, "rmon_r_packets"},
	{0x288, "rmon_r_bc_pkt"},
	{0x28c, "rmon_r_mc_pkt"},
	{0x290, "rmon_r_crc_align"},
	{0x294, "rmon_r_undersize"},
	{0x298, "rmon_r_oversize"},
	{0x29c, "rmon_r_frag"},
	{0x2a0, "rmon_r_jab"},
	{0x2a8, "rmon_r_p64"},
	{0x2ac, "rmon_r_p65to127"},
	{0x2b0, "rmon_r_p128to255"},
	{0x2b4, "rmon_r_p256to511"},
	{0x2b8, "rmon_r_p512to1023"},
	{0x2bc, "rmon_r_p1024to2047"},
	{0x2c0, "rmon_r_p_gte2048"},
	{0x2c4, "rmon_r_octets"},
	{0x2c8, "ieee_r_drop"},
	{0x2cc, "ieee_r_frame_ok"},
	{0x2d0, "ieee_r_crc"},
	{0x2d4, "ieee_r_align"},
	{0x2d8, "ieee_r_macerr"},
	{0x2dc, "ieee_r_fdxfc"},
	{0x2e0, "ieee_r_octets_ok"},
}

// setupMIB clears the MIB counters and starts them: they may be cleared only while disabled.
func (dev *Device) setupMIB() {
	dev.write(MIBC, MIBC_DIS)
	dev.write(MIBC, MIBC_DIS|MIBC_CLEAR)
	dev.write(MIBC, 0)
}

// fold adds what the port counted since the last call to the totals. The port's counters are 32 bits wide: call Stats more
// often than half of them wraps (4 hours of minimal frames at 100 Mb/s).
//
// The good frames are the difference of two words. An activation between the two loads that recycles a bad frame makes it
// too small, or too large until the next look: a step back is not counted, what follows makes up for it.
func (dev *Device) fold() {
	hw := dev.hw
	var now [numTotals]uint32
	for i := range hw.Counters {
		now[i] = mmio.Load(&hw.Counters[i])
	}
	now[totalRx] = mmio.Load(&hw.rxHead) - mmio.Load(&hw.rxRecycled)
	now[totalTx] = mmio.Load(&hw.txTail)
	if int32(now[totalRx]-dev.last[totalRx]) < 0 {
		now[totalRx] = dev.last[totalRx]
	}
	for i, v := range now {
		dev.total[i] += uint64(v - dev.last[i])
	}
	dev.last = now
}

// Stats appends the driver's counters, and the device's MIB where it has one, to c.
func (dev *Device) Stats(c []nic.Counter) []nic.Counter {
	dev.mu.Lock()
	defer dev.mu.Unlock()
	dev.fold()
	c = append(c,
		nic.Counter{Name: "rx_frames", Value: dev.total[totalRx]},
		nic.Counter{Name: "tx_frames", Value: dev.total[totalTx]})
	for i, name := range CounterNames {
		c = append(c, nic.Counter{Name: name, Value: dev.total[i], Drop: i < numDrops})
	}
	if !dev.cfg.MIB {
		return c
	}
	for _, m := range mib {
		c = append(c, nic.Counter{Name: "mib_" + m.name, Value: uint64(dev.read(m.off))})
	}
	return c
}
