//go:build !tamago

package gic

import "testing"

const (
	uart   = 33 // in-band
	virtio = 48 // oob
)

// newGICv3 returns an initialised controller with two oob and two in-band sources.
func newGICv3(t *testing.T) (*model3, *GICv3) {
	t.Helper()
	m, hw := newModel3(t)
	for id := range m.enabled { // as a boot loader may leave it
		m.enabled[id], m.pending[id], m.priority[id] = true, true, 0xf8
		m.router[id] = [2]uint32{1, 1}
	}
	if stuck := hw.Init(); stuck != "" {
		t.Fatalf("Init: %s does not follow", stuck)
	}
	for id, g := range map[uint32]Group{kick: Oob, virtio: Oob, wake: Inband, uart: Inband} {
		hw.Assign(id, g)
		hw.Enable(id)
	}
	hw.Forward(true)
	t.Cleanup(func() {
		if m.misplaced != 0 || m.unordered != 0 || len(m.running) != 0 {
			t.Errorf("%d accesses to the other frame, %d out of order, %v still active", m.misplaced, m.unordered, m.running)
		}
	})
	return m, hw
}

func TestV3Init(t *testing.T) {
	m, hw := newModel3(t)
	for id := range m.enabled {
		m.enabled[id], m.pending[id], m.active[id], m.router[id] = true, true, true, [2]uint32{1, 1}
	}
	if stuck := hw.Init(); stuck != "" {
		t.Fatalf("Init: %s does not follow", stuck)
	}
	if hw.Lines() != lines3 {
		t.Errorf("Lines() = %d, want %d", hw.Lines(), lines3)
	}
	for id := range m.enabled {
		if m.enabled[id] || m.pending[id] || m.active[id] || !m.group1[id] || m.priority[id] != PriorityInband {
			t.Fatalf("interrupt %d: enabled %v, pending %v, active %v, group 1 %v, priority %#x; want false, false, false, true, 0x60",
				id, m.enabled[id], m.pending[id], m.active[id], m.group1[id], m.priority[id])
		}
		if id >= 32 && m.router[id] != [2]uint32{} {
			t.Fatalf("interrupt %d goes to %#x, want processor 0", id, m.router[id])
		}
	}
	if m.sre != 1 || m.pmr != 0xf0 || m.bpr0 != 3 || m.bpr1 != 0 || m.cpuCtlr != 0 || m.grpen0 != 1 || m.grpen1 != 1 {
		t.Errorf("SRE, PMR, BPR0, BPR1, CTLR, IGRPEN0, IGRPEN1 = %#x, %#x, %#x, %#x, %#x, %#x, %#x, want 1, 0xf0, 3, 0, 0, 1, 1",
			m.sre, m.pmr, m.bpr0, m.bpr1, m.cpuCtlr, m.grpen0, m.grpen1)
	}
	if m.ctlr != CTLR_ARE|CTLR_ENABLEGRP1 {
		t.Errorf("GICD_CTLR = %#x, want in-band's group alone", m.ctlr)
	}
	if m.misplaced != 0 || m.unordered != 0 {
		t.Errorf("%d accesses to the other frame, %d out of order", m.misplaced, m.unordered)
	}
}

func TestV3Asleep(t *testing.T) {
	m, hw := newModel3(t)
	m.asleep = 1 << 30
	if stuck := hw.Init(); stuck != "GICR_WAKER" {
		t.Errorf("Init = %q, want GICR_WAKER", stuck)
	}
}

// An in-band interrupt that is not ended must not hold back an oob one.
func TestV3Preemption(t *testing.T) {
	m, _ := newGICv3(t)
	m.level[uart] = true
	if id := (icc3{m}).ReadReg(ICC_IAR1); id != uart {
		t.Fatalf("IAR1 = %d, want %d", id, uart)
	}
	m.level[virtio] = true
	if !m.fiq() {
		t.Error("an active in-band interrupt holds back an oob one")
	}
	m.running = nil
}

// What has PriorityFirst is acknowledged ahead of other oob interrupts, whatever its ID, and interrupts none of them.
func TestV3First(t *testing.T) {
	m, hw := newGICv3(t)
	hw.Assign(timer, Oob)
	hw.SetPriority(timer, PriorityFirst)
	hw.Enable(timer)
	for _, active := range []uint32{kick, timer} {
		hw.RaiseOob(kick)
		m.level[timer] = active == timer
		if id := (icc3{m}).ReadReg(ICC_IAR0); id != active {
			t.Fatalf("IAR0 = %d, want %d", id, active)
		}
		hw.RaiseOob(kick)
		m.level[timer] = true
		if m.fiq() {
			t.Errorf("interrupt %d is active, and another one is signalled", active)
		}
		icc3{m}.WriteReg(ICC_EOIR0, active)
		m.level[timer] = false
		if id := AcknowledgeOob(); id != kick {
			t.Errorf("then AcknowledgeOob = %d, want %d", id, kick)
		}
	}
}
