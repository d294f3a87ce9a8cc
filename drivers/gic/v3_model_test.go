//go:build !tamago

package gic

import (
	"testing"

	"mortise/drivers/mmio"
)

const (
	dist3Base  = 0x08000000
	redistBase = 0x080a0000
	lines3     = 288 // as on QEMU's virt
)

// model3 is a GICv3 with one security state and one processor, by IHI 0069. Sources are level-sensitive but for SGIs.
type model3 struct {
	ctlr, waker, sre, pmr, bpr0, bpr1, cpuCtlr, grpen0, grpen1 uint32

	enabled, group1, pending, level, active [lines3]bool

	priority [lines3]uint8
	router   [lines3][2]uint32
	running  []uint32

	// What a driver must not do.
	misplaced int // private interrupts at the distributor, others at the redistributor
	unordered int // GICD_CTLR enables before affinity routing, or an EOI without its acknowledge
	asleep    int // reads of GICR_WAKER until the redistributor is awake
}

type (
	dist3   struct{ *model3 }
	redist3 struct{ *model3 }
	icc3    struct{ *model3 }
)

func newModel3(t *testing.T) (*model3, *GICv3) {
	t.Helper()
	m := &model3{waker: WAKER_PROCESSORSLEEP | WAKER_CHILDRENASLEEP, asleep: 3}
	t.Cleanup(mmio.Map(dist3Base, 0x10000, dist3{m}))
	t.Cleanup(mmio.Map(redistBase, 0x20000, redist3{m}))
	t.Cleanup(mmio.Map(ICCBase, 0x1000, icc3{m}))
	return m, &GICv3{Dist: dist3Base, Redist: redistBase}
}

// bits returns the array of bits that off is in, as the state it tells of, and the first of its interrupts.
func (m *model3) bits(off uint32) (array uint32, state *[lines3]bool, first uint32) {
	for array, state := range map[uint32]*[lines3]bool{
		GICD_IGROUPR: &m.group1, GICD_ISENABLER: &m.enabled, GICD_ICENABLER: &m.enabled, GICD_ISPENDR: &m.pending,
		GICD_ICPENDR: &m.pending, GICD_ISACTIVER: &m.active, GICD_ICACTIVER: &m.active,
	} {
		if off >= array && off < array+lines3/8 {
			return array, state, (off - array) * 8
		}
	}
	return 0, nil, 0
}

// read and write are those of both frames; private tells which it is.
func (m *model3) read(off uint32, private bool) uint32 {
	if off >= GICD_IPRIORITYR && off < GICD_IPRIORITYR+lines3 {
		m.check(off-GICD_IPRIORITYR, private)
		return bytes(m.priority[off-GICD_IPRIORITYR:])
	}
	array, state, first := m.bits(off)
	if state == nil {
		return 0
	}
	m.check(first, private)
	var v uint32
	for i := range uint32(32) {
		id := first + i
		if state[id] || array == GICD_ISPENDR && m.level[id] {
			v |= 1 << i
		}
	}
	return v
}

func (m *model3) write(off, v uint32, private bool) {
	if off >= GICD_IPRIORITYR && off < GICD_IPRIORITYR+lines3 {
		m.check(off-GICD_IPRIORITYR, private)
		for i := range uint32(4) {
			m.priority[off-GICD_IPRIORITYR+i] = uint8(v >> (8 * i))
		}
		return
	}
	array, state, first := m.bits(off)
	if state == nil {
		return
	}
	m.check(first, private)
	for i := range uint32(32) {
		id, set := first+i, v>>i&1 != 0
		switch array {
		case GICD_IGROUPR:
			state[id] = set
		case GICD_ISENABLER, GICD_ISPENDR, GICD_ISACTIVER:
			state[id] = state[id] || set
		default:
			state[id] = state[id] && !set
		}
	}
}

func (m *model3) check(id uint32, private bool) {
	if private != (id < 32) {
		m.misplaced++
	}
}

func (d dist3) ReadReg(off uint32) uint32 {
	switch off {
	case GICD_CTLR:
		return d.ctlr | CTLR_DS
	case GICD_TYPER:
		return lines3/32 - 1
	}
	return d.read(off, false)
}

func (d dist3) WriteReg(off, v uint32) {
	switch {
	case off == GICD_CTLR:
		if v&(CTLR_ENABLEGRP0|CTLR_ENABLEGRP1) != 0 && d.ctlr&CTLR_ARE == 0 {
			d.unordered++
		}
		d.ctlr = v
	case off >= GICD_IROUTER+8*32 && off < GICD_IROUTER+8*lines3:
		d.router[(off-GICD_IROUTER)/8][off/4%2] = v
	default:
		d.write(off, v, false)
	}
}

func (r redist3) ReadReg(off uint32) uint32 {
	if off == GICR_WAKER {
		if r.waker&WAKER_PROCESSORSLEEP == 0 {
			if r.asleep--; r.asleep <= 0 {
				r.waker &^= WAKER_CHILDRENASLEEP
			}
		}
		return r.waker
	}
	return r.read(off-sgiFrame, true)
}

func (r redist3) WriteReg(off, v uint32) {
	if off == GICR_WAKER {
		r.waker = r.waker&WAKER_CHILDRENASLEEP | v&WAKER_PROCESSORSLEEP
		return
	}
	r.write(off-sgiFrame, v, true)
}

// next returns the most urgent interrupt of a group that may be signalled.
func (m *model3) next(group1 bool) uint32 {
	enable, grpen := uint32(CTLR_ENABLEGRP0), m.grpen0
	if group1 {
		enable, grpen = CTLR_ENABLEGRP1, m.grpen1
	}
	best, found := uint32(Spurious), m.pmr
	if n := len(m.running); n > 0 {
		id := m.running[n-1]
		found = min(found, groupPriority(m.priority[id], m.bpr0, m.group1[id]))
	}
	if m.ctlr&enable == 0 || grpen == 0 || m.waker != 0 || m.sre == 0 {
		return best
	}
	for id := range uint32(lines3) {
		if (m.pending[id] || m.level[id]) && m.enabled[id] && !m.active[id] && m.group1[id] == group1 &&
			uint32(m.priority[id]) < found {
			best, found = id, uint32(m.priority[id])
		}
	}
	return best
}

func (m *model3) fiq() bool { return m.next(false) != Spurious }
func (m *model3) irq() bool { return m.next(true) != Spurious }

func (c icc3) ReadReg(off uint32) uint32 {
	switch off {
	case ICC_IAR0, ICC_IAR1:
		id := c.next(off == ICC_IAR1)
		if id != Spurious {
			c.pending[id], c.active[id] = false, true
			c.running = append(c.running, id)
		}
		return id
	case ICC_SRE:
		return c.sre
	}
	return 0
}

func (c icc3) WriteReg(off, v uint32) {
	switch off {
	case ICC_EOIR0, ICC_EOIR1:
		n := len(c.running)
		if n == 0 || c.running[n-1] != v || c.group1[v] != (off == ICC_EOIR1) {
			c.unordered++
			return
		}
		c.running, c.active[v] = c.running[:n-1], false
	case ICC_SGI0R, ICC_SGI1R:
		if id := v >> sgirID & 15; v&0xffff == sgirSelf && c.group1[id] == (off == ICC_SGI1R) {
			c.pending[id] = true
		}
	default:
		*map[uint32]*uint32{
			ICC_SRE: &c.sre, ICC_PMR: &c.pmr, ICC_BPR0: &c.bpr0, ICC_BPR1: &c.bpr1, ICC_CTLR: &c.cpuCtlr,
			ICC_IGRPEN0: &c.grpen0, ICC_IGRPEN1: &c.grpen1,
		}[off] = v
	}
}
