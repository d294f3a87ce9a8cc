//go:build !tamago

package gic

import (
	"fmt"
	"testing"
)

const (
	kick  = 8
	wake  = 0
	timer = 27
	enet1 = 150
	enet2 = 152
)

// newGIC returns an initialised controller with two oob and two in-band sources.
func newGIC(t *testing.T) (*model, *GIC) {
	t.Helper()
	m, hw := newModel(t)
	for id := range m.enabled { // as a boot loader may leave it
		m.enabled[id], m.pending[id], m.priority[id] = true, true, 0xf8
	}
	hw.Init()
	for id, g := range map[uint32]Group{kick: Oob, enet1: Oob, wake: Inband, enet2: Inband} {
		hw.Assign(id, g)
		hw.Enable(id)
	}
	m.edge[kick], m.edge[wake] = true, true
	hw.Forward(true)
	return m, hw
}

func TestInit(t *testing.T) {
	m, hw := newModel(t)
	for id := range m.enabled {
		m.enabled[id], m.pending[id] = true, true
	}
	hw.Init()
	if hw.Lines() != lines {
		t.Errorf("Lines() = %d, want %d", hw.Lines(), lines)
	}
	for id := range m.enabled {
		if m.enabled[id] || m.pending[id] || !m.group1[id] || m.priority[id] != PriorityInband {
			t.Fatalf("interrupt %d: enabled %v, pending %v, group 1 %v, priority %#x; want false, false, true, 0x60",
				id, m.enabled[id], m.pending[id], m.group1[id], m.priority[id])
		}
		if id >= 32 && m.target[id] != 1 {
			t.Fatalf("interrupt %d: target %#x, want 1", id, m.target[id])
		}
	}
	if m.pmr != 0xf0 || m.bpr != 3 {
		t.Errorf("PMR, BPR = %#x, %#x, want 0xf0, 3", m.pmr, m.bpr)
	}
	if want := uint32(CTLR_ENABLEGRP0 | CTLR_ENABLEGRP1 | CTLR_ACKCTL | CTLR_FIQEN); m.cpuCtlr != want {
		t.Errorf("GICC_CTLR = %#x, want %#x", m.cpuCtlr, want)
	}
	if m.ctlr != CTLR_ENABLEGRP1 {
		t.Errorf("GICD_CTLR = %#x, want in-band's group alone", m.ctlr)
	}
}

// An in-band interrupt that is not ended must not hold back an oob one.
func TestPreemption(t *testing.T) {
	m, _ := newGIC(t)
	m.level[enet2] = true
	if id := (cpuInterface{m}).ReadReg(GICC_IAR); id != enet2 {
		t.Fatalf("IAR = %d, want %d", id, enet2)
	}
	m.level[enet1] = true
	if !m.fiq() {
		t.Error("an active in-band interrupt holds back an oob one")
	}
}

// While an oob interrupt is active nothing interrupts but what has the warning's priority.
func TestWarning(t *testing.T) {
	const dog = 112
	m, hw := newGIC(t)
	hw.Assign(dog, Oob)
	hw.SetPriority(dog, PriorityWarning)
	hw.Enable(dog)
	m.level[enet1] = true
	if id := (cpuInterface{m}).ReadReg(GICC_IAR); id != enet1 {
		t.Fatalf("IAR = %d, want %d", id, enet1)
	}
	hw.RaiseOob(kick)
	m.level[enet2] = true
	if m.fiq() || m.irq() {
		t.Error("an active oob interrupt does not hold back another, or in-band's")
	}
	m.level[dog] = true
	if !m.fiq() {
		t.Error("an active oob interrupt holds back the warning")
	}
	if id := Acknowledge(cpuBase); id != dog {
		t.Errorf("Acknowledge = %d, want %d", id, dog)
	}
}

// What has PriorityFirst is acknowledged ahead of other oob interrupts, whatever its ID, and interrupts none of them.
func TestFirst(t *testing.T) {
	m, hw := newGIC(t)
	hw.Assign(timer, Oob)
	hw.SetPriority(timer, PriorityFirst)
	hw.Enable(timer)
	for _, active := range []uint32{kick, timer} {
		hw.RaiseOob(kick)
		m.level[timer] = active == timer
		if id := (cpuInterface{m}).ReadReg(GICC_IAR); id != active {
			t.Fatalf("IAR = %d, want %d", id, active)
		}
		hw.RaiseOob(kick)
		m.level[timer] = true
		if m.fiq() {
			t.Errorf("interrupt %d is active, and another one is signalled", active)
		}
		cpuInterface{m}.WriteReg(GICC_EOIR, active)
		m.level[timer] = false
		if id := Acknowledge(cpuBase); id != kick {
			t.Errorf("then Acknowledge = %d, want %d", id, kick)
		}
	}
}

func TestTake(t *testing.T) {
	for _, alias := range []bool{false, true} {
		t.Run(fmt.Sprintf("alias %v", alias), func(t *testing.T) {
			m, hw := newGIC(t)
			m.alias, hw.Alias = alias, alias
			hw.RaiseInband(wake)
			m.level[enet2] = true
			var got []uint32
			for range 4 {
				id, ok := hw.Take()
				if !ok {
					break
				}
				m.level[id] = false // its handler served it
				got = append(got, id)
			}
			if len(got) != 2 || got[0] != wake || got[1] != enet2 {
				t.Errorf("took %v, want [%d %d]", got, wake, enet2)
			}
			checkInactive(t, m)
		})
	}
}

// TestTakeRace has an oob interrupt come between the IRQ and the read of GICC_IAR.
func TestTakeRace(t *testing.T) {
	for _, c := range []struct {
		name  string
		raise func(*model, *GIC)
		id    uint32
	}{
		{"SGI", func(_ *model, hw *GIC) { hw.RaiseOob(kick) }, kick},
		{"level", func(m *model, _ *GIC) { m.level[enet1] = true }, enet1},
		{"edge", func(m *model, _ *GIC) { m.edge[enet1], m.pending[enet1] = true, true }, enet1},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, hw := newGIC(t)
			m.level[enet2] = true
			reads := 0
			m.beforeIAR = func() {
				if reads++; reads == 1 {
					c.raise(m, hw)
					return
				}
				// The FIQ is taken as soon as the interrupt is given back.
				m.beforeIAR = nil
				if !m.fiq() {
					t.Error("the oob interrupt was lost")
				}
				if id := Acknowledge(cpuBase); id != c.id {
					t.Errorf("Acknowledge = %d, want %d", id, c.id)
				}
				m.level[enet1] = false
			}
			if id, ok := hw.Take(); !ok || id != enet2 {
				t.Errorf("Take = %d, %v, want %d", id, ok, enet2)
			}
			if reads != 2 {
				t.Errorf("GICC_IAR was read %d times before the FIQ, want 2", reads)
			}
			if m.fiq() {
				t.Error("a second FIQ for one interrupt")
			}
			checkInactive(t, m)
		})
	}
}

// TestTakeAlias: where GICC_AIAR exists, in-band never gets an oob interrupt.
func TestTakeAlias(t *testing.T) {
	m, hw := newGIC(t)
	m.alias, hw.Alias = true, true
	m.level[enet1], m.level[enet2] = true, true
	if id, ok := hw.Take(); !ok || id != enet2 {
		t.Errorf("Take = %d, %v, want %d", id, ok, enet2)
	}
	if !m.fiq() {
		t.Error("the oob interrupt was lost")
	}
	checkInactive(t, m)
}

func checkInactive(t *testing.T, m *model) {
	t.Helper()
	if len(m.running) != 0 {
		t.Errorf("interrupts %v still active", m.running)
	}
}

// TestTakeMasked: with FIQ masked for good, Take ends all the same.
func TestTakeMasked(t *testing.T) {
	m, hw := newGIC(t)
	m.level[enet1], m.level[enet2] = true, true
	if id, ok := hw.Take(); ok {
		t.Errorf("Take = %d, want none", id)
	}
	if !m.fiq() {
		t.Error("the oob interrupt was lost")
	}
	checkInactive(t, m)
}
