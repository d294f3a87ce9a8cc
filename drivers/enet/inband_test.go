package enet_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"mortise/drivers/enet"
	"mortise/drivers/enet/enettest"
	"mortise/drivers/nic"
)

// TestAborts: frames queued and not sent, received and not taken, are counted when the port goes down or starts anew.
func TestAborts(t *testing.T) {
	load := func(b *bench) {
		for i := range uint32(5) {
			b.port.Transmit(100+i, 60)
		}
		b.port.Start()
		b.Complete(2)
		for range 4 {
			b.Inject(make([]byte, 60))
		}
		b.port.Receive() // taken: no abort, and the slot is ours
	}
	t.Run("Shutdown", func(t *testing.T) {
		b := newBench(t, enettest.Options{Async: true}, nil).up(t)
		load(b)
		got, err := b.dev.Shutdown(nil)
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(got)
		want := append(slots(0)[1:], 100, 101, 102, 103, 104)
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
		if d := cmp.Diff(map[string]uint64{"rx_frames": 1, "tx_frames": 5, "tx_aborted": 3, "rx_aborted": 3}, b.counters()); d != "" {
			t.Error(d)
		}
	})
	t.Run("Reinit", func(t *testing.T) {
		b := newBench(t, enettest.Options{Async: true}, nil).up(t)
		for range 2 {
			load(b)
			if err := b.dev.Reinit(slots(0)); err != nil {
				t.Fatal(err)
			}
		}
		if d := cmp.Diff(map[string]uint64{"rx_frames": 2, "tx_frames": 10, "tx_aborted": 6, "rx_aborted": 6}, b.counters()); d != "" {
			t.Error(d)
		}
	})
	t.Run("Reinit of a port that a wild store hit", func(t *testing.T) {
		b := newBench(t, enettest.Options{}, nil).up(t)
		p := unsafe.Slice((*byte)(unsafe.Pointer(b.port)), unsafe.Offsetof(b.port.Counters))
		r := rand.New(rand.NewPCG(7, 7))
		for i := range p {
			p[i] = byte(r.Uint32())
		}
		if err := b.dev.Reinit(slots(0)); err != nil {
			t.Fatal(err)
		}
		b.Inject(bytes.Repeat([]byte{3}, 60))
		if slot, n := b.port.Receive(); slot != 0 || n != 60 {
			t.Errorf("Receive = slot %d, %d bytes, want slot 0, 60 bytes", slot, n)
		}
	})
}

func TestInitRegisters(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*enet.Config)
		link   nic.Link
		want   map[uint32]uint32
	}{
		{"default", nil, nic.Link{Up: true, SpeedMbps: 100, FullDuplex: true}, map[uint32]uint32{
			enet.ECR: 1<<8 | 1<<4 | 1<<1, enet.RCR: 1528<<16 | 1<<8 | 1<<2, enet.TCR: 1 << 2, enet.MRBR: 1984,
			enet.FTRL: 1536, enet.RACC: 0xc0, enet.TACC: 0, enet.TFWR: 1 << 8, enet.EIMR: enet.EIR_RXF,
			enet.PALR: 0x02005e10, enet.PAUR: 0x00018808, enet.MSCR: 13 << 1, enet.MIBC: 0, enet.RSFL: 0,
			enet.RDAR: 1 << 24,
		}},
		{"silicon", func(c *enet.Config) { c.TxShift16 = true }, nic.Link{Up: true, SpeedMbps: 100, FullDuplex: true},
			map[uint32]uint32{enet.TACC: 1}},
		{"10 Mb/s half duplex", nil, nic.Link{Up: true, SpeedMbps: 10}, map[uint32]uint32{
			enet.RCR: 1528<<16 | 1<<9 | 1<<8 | 1<<2 | 1<<1, enet.TCR: 0}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, enettest.Options{}, tt.change)
			if err := b.dev.SetLink(tt.link); err != nil {
				t.Fatal(err)
			}
			b.up(t)
			for off, want := range tt.want {
				if got := b.Reg(off); got != want {
					t.Errorf("register %#x = %#x, want %#x", off, got, want)
				}
			}
		})
	}
}

func TestSetLinkRunning(t *testing.T) {
	b := newBench(t, enettest.Options{}, nil).up(t)
	if err := b.dev.SetLink(nic.Link{Up: true, SpeedMbps: 100, FullDuplex: true}); err != nil {
		t.Errorf("SetLink to what is set: %v", err)
	}
	if err := b.dev.SetLink(nic.Link{Up: true, SpeedMbps: 10, FullDuplex: true}); !errors.Is(err, nic.ErrRestart) {
		t.Errorf("SetLink to another speed = %v, want ErrRestart", err)
	}
	if err := b.dev.Reinit(slots(0)); err != nil {
		t.Fatal(err)
	}
	if b.Reg(enet.RCR)&enet.RCR_RMII_10T == 0 {
		t.Error("RCR.RMII_10T is not set after Reinit")
	}
	if err := b.dev.SetLink(nic.Link{}); err != nil || b.dev.Link().Up {
		t.Errorf("SetLink down = %v, link %v", err, b.dev.Link())
	}
	if err := b.dev.SetLink(nic.Link{Up: true, SpeedMbps: 1000}); err == nil {
		t.Error("SetLink to 1000 Mb/s: no error")
	}
}

// TestFilter compares the hash with values from an independent calculation (CRC-32, polynomial 0xedb88320, bit by bit).
func TestFilter(t *testing.T) {
	hash := func(a [6]byte) uint {
		crc := ^uint32(0)
		for _, b := range a {
			for range 8 {
				bit := (crc ^ uint32(b)) & 1
				crc >>= 1
				if bit != 0 {
					crc ^= 0xedb88320
				}
				b >>= 1
			}
		}
		return uint(crc >> 26)
	}
	addrs := [][6]byte{
		{0x01, 0x00, 0x5e, 0x00, 0x00, 0x01}, {0x01, 0x00, 0x5e, 0x00, 0x00, 0xfb}, {0x33, 0x33, 0, 0, 0, 1},
		{0x01, 0x1b, 0x19, 0, 0, 0}, {0x02, 1, 2, 3, 4, 5},
	}
	var group, individual uint64
	for _, a := range addrs {
		if a[0]&1 != 0 {
			group |= 1 << hash(a)
		} else {
			individual |= 1 << hash(a)
		}
	}
	b := newBench(t, enettest.Options{}, nil).up(t)
	if err := b.dev.SetFilter(addrs, true); err != nil {
		t.Fatal(err)
	}
	check := func() {
		t.Helper()
		if got := uint64(b.Reg(enet.GAUR))<<32 | uint64(b.Reg(enet.GALR)); got != group {
			t.Errorf("group hash = %#x, want %#x", got, group)
		}
		if got := uint64(b.Reg(enet.IAUR))<<32 | uint64(b.Reg(enet.IALR)); got != individual {
			t.Errorf("individual hash = %#x, want %#x", got, individual)
		}
		if b.Reg(enet.RCR)&enet.RCR_PROM == 0 {
			t.Error("RCR.PROM is not set")
		}
	}
	check()
	if err := b.dev.Reinit(slots(0)); err != nil {
		t.Fatal(err)
	}
	check()
	if err := b.dev.SetMAC([6]byte{0x02, 9, 8, 7, 6, 5}); err != nil {
		t.Fatal(err)
	}
	if lo, hi := b.Reg(enet.PALR), b.Reg(enet.PAUR); lo != 0x02090807 || hi != 0x06058808 {
		t.Errorf("PALR, PAUR = %#x, %#x", lo, hi)
	}
	for _, bad := range [][6]byte{{}, {1, 0, 0, 0, 0, 1}} {
		if b.dev.SetMAC(bad) == nil {
			t.Errorf("SetMAC(% x): no error", bad)
		}
	}
}

func wantTimeout(t *testing.T, err error, register string) {
	t.Helper()
	var e *nic.TimeoutError
	if !errors.As(err, &e) || !errors.Is(err, nic.ErrTimeout) || e.Register != register || e.After <= 0 {
		t.Errorf("error %v, want a timeout of %s", err, register)
	}
}

func TestStuckHardware(t *testing.T) {
	t.Run("reset", func(t *testing.T) {
		b := newBench(t, enettest.Options{StuckReset: true}, nil)
		start := b.clock.T
		wantTimeout(t, b.dev.Init(slots(0)), "ECR.RESET")
		if d := b.clock.T.Sub(start); d > time.Second {
			t.Errorf("gave up after %v", d)
		}
		b.StuckReset = false
		b.up(t) // and works when the hardware does
	})
	t.Run("shutdown keeps the slots when the reset fails", func(t *testing.T) {
		b := newBench(t, enettest.Options{}, nil).up(t)
		b.StuckReset = true
		got, err := b.dev.Shutdown(nil)
		wantTimeout(t, err, "ECR.RESET")
		if len(got) != 0 {
			t.Errorf("%d slots returned by a device that may still write to them", len(got))
		}
		b.StuckReset = false
		if got, err = b.dev.Shutdown(nil); err != nil || len(got) != enet.RingSize {
			t.Errorf("second Shutdown = %d slots, %v, want %d", len(got), err, enet.RingSize)
		}
	})
	t.Run("shutdown without a clock from the link", func(t *testing.T) {
		b := newBench(t, enettest.Options{StuckStop: true}, nil).up(t)
		if got, err := b.dev.Shutdown(nil); err != nil || len(got) != enet.RingSize {
			t.Errorf("Shutdown = %d slots, %v, want %d", len(got), err, enet.RingSize)
		}
	})
}

func TestCheck(t *testing.T) {
	b := newBench(t, enettest.Options{}, nil)
	if err := b.dev.Check(); err != nil {
		t.Errorf("Check of a port that is down: %v", err)
	}
	b.up(t)
	if err := b.dev.Check(); err != nil {
		t.Errorf("Check of a running port: %v", err)
	}
	b.WriteReg(enet.ECR, b.Reg(enet.ECR)&^enet.ECR_ETHEREN) // what a bus error does
	if err := b.dev.Check(); err == nil || !strings.Contains(err.Error(), "ETHEREN") {
		t.Errorf("Check of a stopped controller = %v", err)
	}
}

func TestConfigErrors(t *testing.T) {
	rings := enettest.NewRings(t, enet.RingSize)
	for _, tt := range []struct {
		field  string
		change func(*enet.Config)
	}{
		{"Name", func(c *enet.Config) { c.Name = "" }},
		{"Base", func(c *enet.Config) { c.Base = 0 }},
		{"ClkHz", func(c *enet.Config) { c.ClkHz = 0 }},
		{"ClkHz", func(c *enet.Config) { c.ClkHz = 5000000 }},
		{"ClkHz", func(c *enet.Config) { c.ClkHz = 400000000 }},
		{"MAC", func(c *enet.Config) { c.MAC = [6]byte{} }},
		{"MAC", func(c *enet.Config) { c.MAC[0] = 1 }},
		{"Desc", func(c *enet.Config) { c.Desc += 32 }},
		{"DescBus", func(c *enet.Config) { c.DescBus += 32 }},
		{"Memory.Base", func(c *enet.Config) { c.Memory.Base += 4 }},
		{"Memory.Bus", func(c *enet.Config) { c.Memory.Bus += 4 }},
		{"Memory.Slots", func(c *enet.Config) { c.Memory.Slots-- }},
	} {
		t.Run(tt.field, func(t *testing.T) {
			cfg := config(rings)
			if _, err := enet.New(new(enet.Port), cfg); err != nil {
				t.Fatalf("without the change: %v", err)
			}
			tt.change(&cfg)
			_, err := enet.New(new(enet.Port), cfg)
			var e *nic.ConfigError
			if !errors.As(err, &e) || e.Field != tt.field || e.Want == "" {
				t.Errorf("New = %v, want an error of %s", err, tt.field)
			}
		})
	}
	_, err := enet.New(new(enet.Port), enet.Config{})
	if err == nil || strings.Count(err.Error(), "\n") < 5 {
		t.Errorf("New of an empty configuration = %v, want all errors", err)
	}
}

func TestInitSlots(t *testing.T) {
	b := newBench(t, enettest.Options{}, nil)
	twice := slots(0)
	twice[5] = 6
	outside := slots(0)
	outside[63] = 4 * enet.RingSize
	for name, s := range map[string][]uint32{"none": nil, "63": slots(0)[1:], "twice": twice, "outside": outside} {
		if b.dev.Init(s) == nil {
			t.Errorf("Init with slots %s: no error", name)
		}
	}
	b.up(t)
	if b.dev.Init(slots(64)) == nil {
		t.Error("Init of a running port: no error")
	}
}
