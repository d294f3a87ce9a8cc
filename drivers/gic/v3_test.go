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
	if m.sre != 1 || m.pmr != 0xf0 || m.bpr0 != 0 || m.bpr1 != 0 || m.cpuCtlr != 0 || m.grpen0 != 1 || m.grpen1 != 1 {
		t.Errorf("SRE, PMR, BPR0, BPR1, CTLR, IGRPEN0, IGRPEN1 = %#x, %#x, %#x, %#x, %#x, %#x, %#x, want 1, 0xf0, 0, 0, 0, 1, 1",
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

func TestV3Assign(t *testing.T) {
	m, hw := newGICv3(t)
	for _, id := range []uint32{0, 15, 27, 31, 32, 63, 64, 118, 150, 287} {
		for _, g := range []Group{Oob, Inband, Oob} {
			before := *m
			hw.Assign(id, g)
			want := uint8(PriorityInband)
			if g == Oob {
				want = PriorityOob
			}
			if hw.Group(id) != g || m.group1[id] != (g == Inband) || m.priority[id] != want {
				t.Errorf("Assign(%d, %d): group %d, priority %#x", id, g, hw.Group(id), m.priority[id])
			}
			for other := range m.group1 {
				if uint32(other) != id && (m.group1[other] != before.group1[other] || m.priority[other] != before.priority[other]) {
					t.Errorf("Assign(%d, %d) changed interrupt %d", id, g, other)
				}
			}
		}
	}
	if hw.SetPriority(timer, 0x50); m.priority[timer] != 0x50 {
		t.Errorf("SetPriority: %#x, want 0x50", m.priority[timer])
	}
}

func TestV3EnablePending(t *testing.T) {
	m, hw := newGICv3(t)
	for _, id := range []uint32{27, 31, 32, 63, 150, 287} {
		hw.Enable(id)
		if !m.enabled[id] {
			t.Errorf("Enable(%d) did not", id)
		}
		hw.SetPending(id)
		if !m.pending[id] || !hw.Pending(id) {
			t.Errorf("SetPending(%d) did not", id)
		}
		hw.ClearPending(id)
		if m.pending[id] || hw.Pending(id) {
			t.Errorf("ClearPending(%d) did not", id)
		}
		hw.Disable(id)
		if m.enabled[id] {
			t.Errorf("Disable(%d) did not", id)
		}
	}
}

func TestV3Signals(t *testing.T) {
	for _, c := range []struct {
		name        string
		raise       func(*model3, *GICv3)
		oob, inband uint32
	}{
		{"nothing", func(*model3, *GICv3) {}, Spurious, Spurious},
		{"kick", func(_ *model3, hw *GICv3) { hw.RaiseOob(kick) }, kick, Spurious},
		{"wake", func(_ *model3, hw *GICv3) { hw.RaiseInband(wake) }, Spurious, wake},
		{"kick of an in-band SGI", func(_ *model3, hw *GICv3) { hw.RaiseOob(wake) }, Spurious, Spurious},
		{"wake of an oob SGI", func(_ *model3, hw *GICv3) { hw.RaiseInband(kick) }, Spurious, Spurious},
		{"oob device", func(m *model3, _ *GICv3) { m.level[virtio] = true }, virtio, Spurious},
		{"in-band device", func(m *model3, _ *GICv3) { m.level[uart] = true }, Spurious, uart},
		{"both devices", func(m *model3, _ *GICv3) { m.level[virtio], m.level[uart] = true, true }, virtio, uart},
		{"oob stopped", func(m *model3, hw *GICv3) { hw.Forward(false); m.level[virtio] = true }, Spurious, Spurious},
		{"in-band masked", func(m *model3, hw *GICv3) { hw.MaskInband(true); m.level[uart] = true }, Spurious, Spurious},
		{"in-band unmasked", func(m *model3, hw *GICv3) { hw.MaskInband(true); hw.MaskInband(false); m.level[uart] = true }, Spurious, uart},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, hw := newGICv3(t)
			c.raise(m, hw)
			if m.fiq() != (c.oob != Spurious) || m.irq() != (c.inband != Spurious) {
				t.Errorf("FIQ %v, IRQ %v, want %v, %v", m.fiq(), m.irq(), c.oob != Spurious, c.inband != Spurious)
			}
			// In-band looks first: it must not get what is oob's.
			id, ok := hw.Take()
			if ok != (c.inband != Spurious) || ok && id != c.inband {
				t.Errorf("Take = %d, %v, want %d", id, ok, c.inband)
			}
			if id := AcknowledgeOob(); id != c.oob {
				t.Errorf("AcknowledgeOob = %d, want %d", id, c.oob)
			}
		})
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
