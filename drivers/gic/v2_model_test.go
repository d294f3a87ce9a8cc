//go:build !tamago

package gic

import (
	"testing"

	"mortise/drivers/mmio"
)

const (
	distBase = 0x00a01000
	cpuBase  = 0x00a02000
	lines    = 160 // as on i.MX6UL
)

// model is a GICv2 in the secure state with one processor, by IHI 0048B.b. Sources are level-sensitive but for edge.
type model struct {
	ctlr, cpuCtlr, pmr, bpr         uint32
	enabled, group1, pending, level [lines]bool
	edge, active                    [lines]bool
	priority, target                [lines]uint8
	alias                           bool // GICC_AIAR and AEOIR exist
	running                         []uint32

	// beforeIAR runs when GICC_IAR or AIAR is about to be read: what happens between the IRQ and the read.
	beforeIAR func()
	writes    int
}

type distributor struct{ *model }
type cpuInterface struct{ *model }

func newModel(t *testing.T) (*model, *GIC) {
	t.Helper()
	m := &model{}
	t.Cleanup(mmio.Map(distBase, 0x1000, distributor{m}))
	t.Cleanup(mmio.Map(cpuBase, 0x1000, cpuInterface{m}))
	return m, &GIC{Dist: distBase, CPU: cpuBase}
}

// array returns the array of bits that off is in, and the first of its interrupts.
func (d distributor) array(off uint32) (name uint32, first uint32) {
	for _, a := range []uint32{GICD_IGROUPR, GICD_ISENABLER, GICD_ICENABLER, GICD_ISPENDR, GICD_ICPENDR, GICD_ISACTIVER, GICD_ICACTIVER} {
		if off >= a && off < a+lines/8 {
			return a, (off - a) * 8
		}
	}
	return 0, 0
}

func (d distributor) ReadReg(off uint32) uint32 {
	switch {
	case off == GICD_CTLR:
		return d.ctlr
	case off == GICD_TYPER:
		return lines/32 - 1
	case off >= GICD_IPRIORITYR && off < GICD_IPRIORITYR+lines:
		return bytes(d.priority[off-GICD_IPRIORITYR:])
	case off >= GICD_ITARGETSR && off < GICD_ITARGETSR+lines:
		return bytes(d.target[off-GICD_ITARGETSR:])
	case off >= GICD_ICFGR && off < GICD_ICFGR+lines/4:
		var v uint32
		for i := range uint32(16) {
			if id := (off-GICD_ICFGR)*4 + i; d.edge[id] {
				v |= ICFGR_EDGE << (2 * i)
			}
		}
		return v
	}
	a, first := d.array(off)
	var v uint32
	for i := range uint32(32) {
		id := first + i
		set := false
		switch a {
		case GICD_IGROUPR:
			set = d.group1[id]
		case GICD_ISENABLER, GICD_ICENABLER:
			set = d.enabled[id]
		case GICD_ISPENDR, GICD_ICPENDR:
			set = d.pending[id] || d.level[id]
		case GICD_ISACTIVER, GICD_ICACTIVER:
			set = d.active[id]
		}
		if set {
			v |= 1 << i
		}
	}
	return v
}

func bytes(b []uint8) uint32 {
	return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
}

func (d distributor) WriteReg(off, v uint32) {
	d.writes++
	switch {
	case off == GICD_CTLR:
		d.ctlr = v
		return
	case off == GICD_SGIR:
		if v&(0b11<<24) != SGIR_SELF {
			return
		}
		if id := v & 15; d.group1[id] == (v&SGIR_NSATT != 0) {
			d.pending[id] = true
		}
		return
	case off >= GICD_IPRIORITYR && off < GICD_IPRIORITYR+lines:
		for i := range uint32(4) {
			d.priority[off-GICD_IPRIORITYR+i] = uint8(v >> (8 * i))
		}
		return
	case off >= GICD_ITARGETSR && off < GICD_ITARGETSR+lines:
		for i := range uint32(4) {
			d.target[off-GICD_ITARGETSR+i] = uint8(v >> (8 * i))
		}
		return
	}
	a, first := d.array(off)
	for i := range uint32(32) {
		id, set := first+i, v>>i&1 != 0
		switch {
		case a == GICD_IGROUPR:
			d.group1[id] = set
		case !set:
		case a == GICD_ISENABLER:
			d.enabled[id] = true
		case a == GICD_ICENABLER:
			d.enabled[id] = false
		case a == GICD_ISPENDR:
			d.pending[id] = true
		case a == GICD_ICPENDR:
			d.pending[id] = false
		case a == GICD_ICACTIVER:
			d.active[id] = false
		}
	}
}

// next returns the most urgent interrupt that may be signalled; group −1: any.
func (m *model) next(group int) uint32 {
	best, found := uint32(Spurious), uint32(m.pmr)
	if n := len(m.running); n > 0 {
		id := m.running[n-1]
		found = min(found, groupPriority(m.priority[id], m.bpr, m.group1[id]))
	}
	for id := range uint32(lines) {
		g, enable := 0, uint32(CTLR_ENABLEGRP0)
		if m.group1[id] {
			g, enable = 1, CTLR_ENABLEGRP1
		}
		if group >= 0 && g != group || m.ctlr&enable == 0 || m.cpuCtlr&enable == 0 {
			continue
		}
		if (m.pending[id] || m.level[id]) && m.enabled[id] && !m.active[id] && uint32(m.priority[id]) < found {
			best, found = id, uint32(m.priority[id])
		}
	}
	return best
}

// groupPriority returns what of a priority is compared with that of a pending interrupt: of group 0 the bits above the binary
// point (3.3.3, IHI 0048B.b; 4.8, IHI 0069), of group 1, whose binary point is left alone, all.
func groupPriority(priority uint8, point uint32, group1 bool) uint32 {
	if group1 {
		point = 0
	}
	return uint32(priority) &^ (1<<(point+1) - 1)
}

// fiq and irq are the signals to the processor.
func (m *model) fiq() bool { return m.cpuCtlr&CTLR_FIQEN != 0 && m.next(0) != Spurious }
func (m *model) irq() bool { return m.next(1) != Spurious && !m.fiq() }

func (c cpuInterface) ReadReg(off uint32) uint32 {
	group := -1
	switch off {
	case GICC_CTLR:
		return c.cpuCtlr
	case GICC_IAR:
	case GICC_AIAR:
		if !c.alias {
			return 0
		}
		group = 1
	default:
		return 0
	}
	if c.beforeIAR != nil {
		c.beforeIAR()
	}
	id := c.next(group)
	if id != Spurious {
		c.pending[id], c.active[id] = false, true
		c.running = append(c.running, id)
	}
	return id
}

func (c cpuInterface) WriteReg(off, v uint32) {
	c.writes++
	switch off {
	case GICC_CTLR:
		c.cpuCtlr = v
	case GICC_PMR:
		c.pmr = v
	case GICC_BPR:
		c.bpr = v
	case GICC_EOIR, GICC_AEOIR:
		if n := len(c.running); v < FirstSpecial && n > 0 && c.running[n-1] == v&IAR_ID {
			c.running = c.running[:n-1]
			c.active[v&IAR_ID] = false
		}
	}
}
