package phy_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"mortise/drivers/nic"
	"mortise/drivers/phy"
)

// fakeClock passes time by sleeping only.
type fakeClock struct{ now time.Time }

func (c *fakeClock) Now() time.Time        { return c.now }
func (c *fakeClock) Sleep(d time.Duration) { c.now = c.now.Add(d) }

// model is a PHY by the data sheet: it knows reset, autonegotiation after some polls of BMSR, and the latched link bit.
type model struct {
	regs    [32]uint16
	polls   int  // polls of BMSR until the link is up; < 0: never
	stuck   bool // BMCR.RESET stays
	dropped bool // the link was lost since BMSR was read
}

func (m *model) read(reg int) uint16 {
	if reg != phy.BMSR {
		return m.regs[reg]
	}
	v := uint16(0x7809)
	if m.polls == 0 {
		v |= phy.BMSR_AN_DONE | phy.BMSR_LINK
	} else if m.polls > 0 {
		m.polls--
	}
	if m.dropped {
		m.dropped = false
		v &^= phy.BMSR_LINK
	}
	return v
}

func (m *model) write(reg int, v uint16) {
	if reg == phy.BMCR && v&phy.BMCR_RESET != 0 && !m.stuck {
		v = 0x3100
	}
	m.regs[reg] = v
}

// bus holds PHYs by address; err is what every access returns, if set; the access that counts left down to 0 fails.
type bus struct {
	phys map[int]*model
	err  error
	left int
}

var errBus = errors.New("bus error")

func (b *bus) ReadPHY(addr, reg int) (uint16, error) {
	if b.left--; b.left == 0 {
		return 0, errBus
	}
	if m := b.phys[addr]; m != nil {
		return m.read(reg), b.err
	}
	return 0xffff, b.err
}

func (b *bus) WritePHY(addr, reg int, v uint16) error {
	if b.left--; b.left == 0 {
		return errBus
	}
	if m := b.phys[addr]; m != nil {
		m.write(reg, v)
	}
	return b.err
}

func ksz8081() *model {
	m := &model{polls: 3}
	m.regs[phy.IDR1], m.regs[phy.IDR2] = 0x0022, 0x1561
	m.regs[phy.KSZ_CTRL2] = 0x8100
	m.regs[phy.ANLP] = 0x45e1
	return m
}

// lan9118 is the model of QEMU 7.2: link and autonegotiation at once.
func lan9118() *model {
	m := &model{}
	m.regs[phy.IDR1], m.regs[phy.IDR2] = 0x0007, 0xc0d1
	m.regs[phy.ANLP] = 0x0f71&^0x0e00 | 0x01e0
	return m
}

func TestProbe(t *testing.T) {
	empty := &bus{}
	own := &bus{phys: map[int]*model{2: lan9118()}}                // ENET1's bus, QEMU 7.2
	both := &bus{phys: map[int]*model{1: lan9118(), 2: lan9118()}} // ENET2's bus, QEMU 10
	board := &bus{phys: map[int]*model{2: ksz8081()}}
	broken := &bus{err: errBus}
	tests := []struct {
		name   string
		places []phy.Place
		model  string // "": none
	}{
		{"QEMU 7.2, each on its own bus", []phy.Place{{own, 2}, {empty, 2}}, "LAN9118 (QEMU)"},
		{"QEMU 10, both on ENET2's", []phy.Place{{empty, 2}, {both, 2}}, "LAN9118 (QEMU)"},
		{"the board", []phy.Place{{board, 2}, {board, 2}}, "KSZ8081"},
		{"one bus broken", []phy.Place{{broken, 2}, {board, 2}}, "KSZ8081"},
		{"wrong address", []phy.Place{{board, 1}, {empty, 1}}, ""},
		{"all broken", []phy.Place{{broken, 2}}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := phy.Probe(&fakeClock{}, tt.places...)
			if tt.model == "" {
				if !errors.Is(err, phy.ErrNone) {
					t.Fatalf("Probe = %v, want ErrNone", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if p.Model() != tt.model || p.Addr() != 2 {
				t.Errorf("found %s at %d, want %s at 2", p.Model(), p.Addr(), tt.model)
			}
		})
	}
}

func TestSetupAndLink(t *testing.T) {
	for _, tt := range []struct {
		name  string
		model *model
		ctrl2 uint16 // PHY Control 2 afterwards
		intr  uint16
	}{
		{"KSZ8081", ksz8081(), 0x8190, phy.KSZ_INT_UP | phy.KSZ_INT_DOWN},
		{"LAN9118", lan9118(), 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := phy.Probe(&fakeClock{}, phy.Place{Bus: &bus{phys: map[int]*model{2: tt.model}}, Addr: 2})
			if err != nil {
				t.Fatal(err)
			}
			if err := p.Setup(); err != nil {
				t.Fatal(err)
			}
			if got := tt.model.regs[phy.KSZ_CTRL2]; got != tt.ctrl2 {
				t.Errorf("PHY Control 2 = %#04x, want %#04x", got, tt.ctrl2)
			}
			if got := tt.model.regs[phy.KSZ_INT]; got != tt.intr {
				t.Errorf("interrupt control = %#04x, want %#04x", got, tt.intr)
			}
			if got := tt.model.regs[phy.ANAR]; got != 0x01e1 {
				t.Errorf("advertised %#04x, want 0x01e1: all modes, no PAUSE", got)
			}
			l, err := p.Wait()
			if want := (nic.Link{Up: true, SpeedMbps: 100, FullDuplex: true}); err != nil || l != want {
				t.Errorf("Wait = %v, %v, want %v", l, err, want)
			}
			tt.model.dropped = true // lost and back: the second read tells the present
			if l, err := p.Link(); err != nil || !l.Up {
				t.Errorf("Link after a short loss = %v, %v, want up", l, err)
			}
		})
	}
}

func TestLink(t *testing.T) {
	for _, tt := range []struct {
		name string
		peer uint16
		want nic.Link
	}{
		{"100 full", 0x01e1, nic.Link{Up: true, SpeedMbps: 100, FullDuplex: true}},
		{"100 half", 0x00e1, nic.Link{Up: true, SpeedMbps: 100}},
		{"10 full", 0x0061, nic.Link{Up: true, SpeedMbps: 10, FullDuplex: true}},
		{"10 half", 0x0021, nic.Link{Up: true, SpeedMbps: 10}},
		{"nothing in common", 0x0001, nic.Link{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := lan9118()
			m.regs[phy.ANLP] = tt.peer
			p, err := phy.Probe(&fakeClock{}, phy.Place{Bus: &bus{phys: map[int]*model{1: m}}, Addr: 1})
			if err != nil {
				t.Fatal(err)
			}
			if err := p.Setup(); err != nil {
				t.Fatal(err)
			}
			if got, err := p.Link(); err != nil || got != tt.want {
				t.Errorf("Link = %v, %v, want %v", got, err, tt.want)
			}
		})
	}
}

func TestTimeouts(t *testing.T) {
	for _, tt := range []struct {
		name     string
		model    func() *model
		register string
		atLeast  time.Duration
	}{
		{"reset", func() *model { m := ksz8081(); m.stuck = true; return m }, "BMCR.RESET", 500 * time.Millisecond},
		{"no cable", func() *model { m := ksz8081(); m.polls = -1; return m }, "BMSR", 5 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := &fakeClock{}
			p, err := phy.Probe(c, phy.Place{Bus: &bus{phys: map[int]*model{2: tt.model()}}, Addr: 2})
			if err != nil {
				t.Fatal(err)
			}
			start := c.now
			if err = p.Setup(); err == nil {
				_, err = p.Wait()
			}
			if !errors.Is(err, nic.ErrTimeout) || !strings.Contains(err.Error(), tt.register) {
				t.Fatalf("error %q, want a timeout that names %s", err, tt.register)
			}
			if d := c.now.Sub(start); d < tt.atLeast || d > tt.atLeast+time.Second {
				t.Errorf("gave up after %v, want %v", d, tt.atLeast)
			}
			if l, err := p.Link(); err != nil || l.Up {
				t.Errorf("Link = %v, %v, want down", l, err)
			}
		})
	}
}

// TestBusErrors lets each access fail in turn: no failure is taken for a link.
func TestBusErrors(t *testing.T) {
	for left := 1; ; left++ {
		b := &bus{phys: map[int]*model{2: ksz8081()}}
		p, err := phy.Probe(&fakeClock{}, phy.Place{Bus: b, Addr: 2})
		if err != nil {
			t.Fatal(err)
		}
		b.left = left
		var l nic.Link
		if err = p.Setup(); err == nil {
			l, err = p.Wait()
		}
		if b.left > 0 { // all accesses went through
			if err != nil || !l.Up || left < 10 {
				t.Fatalf("after %d accesses: %v, %v", left, l, err)
			}
			return
		}
		if !errors.Is(err, errBus) || l.Up {
			t.Errorf("access %d failed: link %v, error %v", left, l, err)
		}
	}
}

func TestModel(t *testing.T) {
	m := &model{}
	m.regs[phy.IDR1], m.regs[phy.IDR2] = 0x1234, 0x5678
	p, err := phy.Probe(nil, phy.Place{Bus: &bus{phys: map[int]*model{7: m}}, Addr: 7})
	if err != nil {
		t.Fatal(err)
	}
	if got := p.Model(); !strings.Contains(got, "0x12345678") || p.ID() != 0x12345678 {
		t.Errorf("Model = %q, ID = %#x, want the identifier 0x12345678", got, p.ID())
	}
}
