//go:build !tamago

package gic

import "testing"

// What both controllers do alike is tested alike. Their models differ, and so does how an interrupt is acknowledged.

// controller is what GIC and GICv3 have in common.
type controller interface {
	Assign(id uint32, g Group)
	Group(id uint32) Group
	SetPriority(id uint32, priority uint8)
	Enable(id uint32)
	Disable(id uint32)
	SetPending(id uint32)
	ClearPending(id uint32)
	Pending(id uint32) bool
	RaiseOob(sgi uint32)
	RaiseInband(sgi uint32)
	Forward(on bool)
	MaskInband(masked bool)
	Take() (id uint32, ok bool)
}

// rig is an initialised controller over its model, with two oob and two in-band sources: kick and wake, and a device each.
type rig struct {
	controller
	oob, inband              uint32 // the devices
	enabled, pending, group1 []bool
	level                    []bool
	priority                 []uint8
	fiq, irq                 func() bool
	// acknowledged wants what is signalled to be acknowledged, and nothing else.
	acknowledged func(oob, inband uint32)
}

var rigs = []struct {
	name  string
	lines []uint32 // interrupts of each kind, at the ends of registers
	make  func(t *testing.T) *rig
}{
	{"GICv2", []uint32{0, 15, 27, 31, 32, 63, 64, 118, 150, lines - 1}, func(t *testing.T) *rig {
		m, hw := newGIC(t)
		return &rig{
			hw, enet1, enet2, m.enabled[:], m.pending[:], m.group1[:], m.level[:], m.priority[:], m.fiq, m.irq,
			func(oob, inband uint32) { // by the one register that there is, the more urgent one
				want := oob
				if oob == Spurious {
					want = inband
				}
				if id := Acknowledge(cpuBase); id != want {
					t.Errorf("Acknowledge = %d, want %d", id, want)
				}
				checkInactive(t, m)
			},
		}
	}},
	{"GICv3", []uint32{0, 15, 27, 31, 32, 63, 64, 118, 150, lines3 - 1}, func(t *testing.T) *rig {
		m, hw := newGICv3(t)
		return &rig{
			hw, virtio, uart, m.enabled[:], m.pending[:], m.group1[:], m.level[:], m.priority[:], m.fiq, m.irq,
			func(oob, inband uint32) { // in-band looks first: it must not get what is oob's
				id, ok := hw.Take()
				if ok != (inband != Spurious) || ok && id != inband {
					t.Errorf("Take = %d, %v, want %d", id, ok, inband)
				}
				if id := AcknowledgeOob(); id != oob {
					t.Errorf("AcknowledgeOob = %d, want %d", id, oob)
				}
			},
		}
	}},
}

// forBoth runs a test on each controller.
func forBoth(t *testing.T, test func(t *testing.T, hw *rig, lines []uint32)) {
	for _, r := range rigs {
		t.Run(r.name, func(t *testing.T) { test(t, r.make(t), r.lines) })
	}
}

func TestAssign(t *testing.T) {
	forBoth(t, func(t *testing.T, hw *rig, lines []uint32) {
		for _, id := range lines {
			for _, g := range []Group{Oob, Inband, Oob} {
				groups, priorities := append([]bool(nil), hw.group1...), append([]uint8(nil), hw.priority...)
				hw.Assign(id, g)
				want := uint8(PriorityInband)
				if g == Oob {
					want = PriorityOob
				}
				if hw.Group(id) != g || hw.group1[id] != (g == Inband) || hw.priority[id] != want {
					t.Errorf("Assign(%d, %d): group %d, priority %#x", id, g, hw.Group(id), hw.priority[id])
				}
				for other := range hw.group1 {
					if uint32(other) != id && (hw.group1[other] != groups[other] || hw.priority[other] != priorities[other]) {
						t.Errorf("Assign(%d, %d) changed interrupt %d", id, g, other)
					}
				}
			}
		}
		if hw.SetPriority(timer, 0x50); hw.priority[timer] != 0x50 {
			t.Errorf("SetPriority: %#x, want 0x50", hw.priority[timer])
		}
	})
}

func TestEnablePending(t *testing.T) {
	forBoth(t, func(t *testing.T, hw *rig, lines []uint32) {
		for _, id := range lines {
			if id < 16 { // SGIs are raised
				continue
			}
			hw.Enable(id)
			if !hw.enabled[id] {
				t.Errorf("Enable(%d) did not", id)
			}
			hw.SetPending(id)
			if !hw.pending[id] || !hw.Pending(id) {
				t.Errorf("SetPending(%d) did not", id)
			}
			hw.ClearPending(id)
			if hw.pending[id] || hw.Pending(id) {
				t.Errorf("ClearPending(%d) did not", id)
			}
			hw.Disable(id)
			if hw.enabled[id] {
				t.Errorf("Disable(%d) did not", id)
			}
		}
	})
}

func TestSignals(t *testing.T) {
	for _, c := range []struct {
		name        string
		raise       func(hw *rig)
		oob, inband func(hw *rig) uint32 // nil: nothing
	}{
		{"nothing", func(*rig) {}, nil, nil},
		{"kick", func(hw *rig) { hw.RaiseOob(kick) }, kicked, nil},
		{"wake", func(hw *rig) { hw.RaiseInband(wake) }, nil, woken},
		{"kick of an in-band SGI", func(hw *rig) { hw.RaiseOob(wake) }, nil, nil},
		{"wake of an oob SGI", func(hw *rig) { hw.RaiseInband(kick) }, nil, nil},
		{"oob device", func(hw *rig) { hw.level[hw.oob] = true }, oobDevice, nil},
		{"in-band device", func(hw *rig) { hw.level[hw.inband] = true }, nil, inbandDevice},
		{"both devices", func(hw *rig) { hw.level[hw.oob], hw.level[hw.inband] = true, true }, oobDevice, inbandDevice},
		{"oob stopped", func(hw *rig) { hw.Forward(false); hw.level[hw.oob] = true }, nil, nil},
		{"in-band masked", func(hw *rig) { hw.MaskInband(true); hw.level[hw.inband] = true }, nil, nil},
		{"in-band unmasked", func(hw *rig) { hw.MaskInband(true); hw.MaskInband(false); hw.level[hw.inband] = true }, nil, inbandDevice},
	} {
		t.Run(c.name, func(t *testing.T) {
			forBoth(t, func(t *testing.T, hw *rig, _ []uint32) {
				c.raise(hw)
				oob, inband := uint32(Spurious), uint32(Spurious)
				if c.oob != nil {
					oob = c.oob(hw)
				}
				if c.inband != nil {
					inband = c.inband(hw)
				}
				// A GICv2 signals an IRQ for the most urgent interrupt only, a GICv3 for the most urgent of its group.
				irq := inband != Spurious
				if _, v2 := hw.controller.(*GIC); v2 && oob != Spurious {
					irq = false
				}
				if hw.fiq() != (oob != Spurious) || hw.irq() != irq {
					t.Errorf("FIQ %v, IRQ %v, want %v, %v", hw.fiq(), hw.irq(), oob != Spurious, irq)
				}
				hw.acknowledged(oob, inband)
			})
		})
	}
}

func kicked(*rig) uint32          { return kick }
func woken(*rig) uint32           { return wake }
func oobDevice(hw *rig) uint32    { return hw.oob }
func inbandDevice(hw *rig) uint32 { return hw.inband }
