package enet_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"mortise/drivers/enet"
	"mortise/drivers/enet/enettest"
	"mortise/drivers/nic"
	"mortise/drivers/nic/nictest"
	"mortise/stack/frame"
)

const base = 0x02188000

var mac = [6]byte{0x02, 0x00, 0x5e, 0x10, 0x00, 0x01}

// bench is a port on a fake controller, not initialised.
type bench struct {
	*enettest.ENET
	port  *enet.Port
	dev   *enet.Device
	rings enettest.Rings
	clock enettest.Clock
}

func config(r enettest.Rings) enet.Config {
	return enet.Config{
		Name: "ENET1", Base: base, ClkHz: 66000000, MAC: mac,
		Desc: r.Desc, DescBus: r.DescBus, Memory: r.Memory,
	}
}

func newBench(tb testing.TB, o enettest.Options, change func(*enet.Config)) *bench {
	tb.Helper()
	const slots = 4 * enet.RingSize
	b := &bench{rings: enettest.NewRings(tb, slots), port: new(enet.Port)}
	b.ENET = enettest.New(tb, b.rings, o)
	cfg := config(b.rings)
	cfg.Clock = &b.clock
	if change != nil {
		change(&cfg)
	}
	dev, err := enet.New(b.port, cfg)
	if err != nil {
		tb.Fatal(err)
	}
	b.dev = dev
	return b
}

// slots returns first, first+1 …, one for each receive position.
func slots(first uint32) (s []uint32) {
	for i := range uint32(enet.RingSize) {
		s = append(s, first+i)
	}
	return s
}

func (b *bench) up(tb testing.TB) *bench {
	tb.Helper()
	if err := b.dev.Init(slots(0)); err != nil {
		tb.Fatal(err)
	}
	b.port.Unmask()
	return b
}

//go:noinline
func (b *bench) bytes(slot, n uint32) []byte {
	a := b.rings.Memory.Frame(slot)
	return unsafe.Slice(*(**byte)(unsafe.Pointer(&a)), n)
}

func (b *bench) counters() map[string]uint64 {
	m := map[string]uint64{}
	for _, c := range b.dev.Stats(nil) {
		if c.Value != 0 {
			m[c.Name] = c.Value
		}
	}
	return m
}

func TestConformance(t *testing.T) {
	for _, tt := range []struct {
		name    string
		options enettest.Options
		change  func(*enet.Config)
	}{
		{"silicon", enettest.Options{}, func(c *enet.Config) { c.TxShift16 = true }},
		{"QEMU", enettest.Options{Hold: true}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			nictest.Run(t, func(tb testing.TB) *nictest.Rig {
				b := newBench(tb, tt.options, tt.change)
				smallest := frame.MinLen
				if tt.options.Hold {
					smallest = 14
				}
				return &nictest.Rig{
					Oob: b.port, Device: b.dev, Memory: b.rings.Memory,
					Up: b.dev.Init, Reinit: b.dev.Reinit,
					Inject: b.Inject, Interrupt: b.Interrupt, Sent: b.Sent,
					HoldTx:   func(on bool) { b.Async = on },
					Complete: b.Complete,
					ShareTx:  func(on bool) { b.Shared = on },
					Smallest: smallest,
				}
			})
		})
	}
}

// TestErrorBits: each error a frame can have is counted once, under one name, and its slot goes back to the ring.
func TestErrorBits(t *testing.T) {
	long := make([]byte, 1524)
	for _, tt := range []struct {
		name    string
		frame   []byte
		status  uint32
		counter string
	}{
		{"too long", make([]byte, 60), enettest.LG, "rx_long"},
		{"non-octet", make([]byte, 60), enettest.NO, "rx_non_octet"},
		{"bad FCS", make([]byte, 60), enettest.CR, "rx_crc"},
		{"overrun", make([]byte, 60), enettest.OV, "rx_overrun"},
		{"truncated", make([]byte, 60), enettest.TR, "rx_truncated"},
		{"MAC error alone", make([]byte, 60), enettest.ME, "rx_mac_error"},
		{"bad FCS and MAC error", make([]byte, 60), enettest.CR | enettest.ME, "rx_crc"},
		{"non-octet and bad FCS", make([]byte, 60), enettest.NO | enettest.CR, "rx_non_octet"},
		{"truncated hides the rest", make([]byte, 60), enettest.TR | enettest.LG | enettest.CR | enettest.OV, "rx_truncated"},
		{"overrun hides the rest", make([]byte, 60), enettest.OV | enettest.NO | enettest.CR, "rx_overrun"},
		{"all", make([]byte, 60), enettest.LG | enettest.NO | enettest.CR | enettest.OV | enettest.TR | enettest.ME, "rx_truncated"},
		{"1524 bytes", long, 0, "rx_long"},
		{"1600 bytes", make([]byte, 1600), 0, "rx_truncated"},
		{"9000 bytes", make([]byte, 9000), 0, "rx_truncated"},
		{"empty", nil, 0, "rx_short"},
		{"one byte", make([]byte, 1), 0, "rx_short"},
		{"13 bytes", make([]byte, 13), 0, "rx_short"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, enettest.Options{Hold: true}, nil).up(t)
			good := bytes.Repeat([]byte{0x5a}, 60)
			const turns = 2*enet.RingSize + 3
			for range turns {
				b.InjectStatus(tt.frame, tt.status)
				b.Inject(good)
				slot, n := b.port.Receive()
				if n != 60 || !bytes.Equal(b.bytes(slot, n), good) {
					t.Fatalf("Receive = %d bytes, want the good frame behind the bad one", n)
				}
				b.port.Refill(slot)
				b.port.Resume()
			}
			want := map[string]uint64{tt.counter: turns, "rx_frames": turns}
			if d := cmp.Diff(want, b.counters()); d != "" {
				t.Error(d)
			}
			if got, err := b.dev.Shutdown(nil); err != nil || len(got) != enet.RingSize {
				t.Errorf("Shutdown = %d slots, %v, want %d", len(got), err, enet.RingSize)
			}
		})
	}
}

// TestOnlyBadFrames: a ring full of bad frames is recycled in one call, and the device goes on.
func TestOnlyBadFrames(t *testing.T) {
	b := newBench(t, enettest.Options{}, nil).up(t)
	for range enet.RingSize {
		b.InjectStatus(make([]byte, 60), enettest.CR)
	}
	if _, n := b.port.Receive(); n != 0 {
		t.Fatalf("Receive = %d bytes, want nothing", n)
	}
	b.port.Resume()
	b.Inject(make([]byte, 99))
	if _, n := b.port.Receive(); n != 99 {
		t.Errorf("Receive = %d bytes, want 99", n)
	}
	if d := cmp.Diff(map[string]uint64{"rx_crc": enet.RingSize, "rx_frames": 1}, b.counters()); d != "" {
		t.Error(d)
	}
}

// TestSplitFrames: with MRBR made smaller behind the driver's back, frames take several buffers. Each is counted once and
// recycled to its end, be its parts there at once or in two calls.
func TestSplitFrames(t *testing.T) {
	b := newBench(t, enettest.Options{Hold: true}, nil).up(t)
	const mrbr = 0x188
	for i := range 100 {
		b.WriteReg(mrbr, 128)
		b.Inject(make([]byte, 200+i*7%1000))
		b.WriteReg(mrbr, 1984)
		good := bytes.Repeat([]byte{byte(i)}, 61)
		b.Inject(good)
		slot, n := b.port.Receive()
		if n != 61 || !bytes.Equal(b.bytes(slot, n), good) {
			t.Fatalf("turn %d: Receive = %d bytes, want the 61 behind the split frame", i, n)
		}
		b.port.Refill(slot)
		b.port.Resume()
	}
	if d := cmp.Diff(map[string]uint64{"rx_split": 100, "rx_frames": 100}, b.counters()); d != "" {
		t.Error(d)
	}
}

// TestSplitFrameInTwoCalls puts the first part of a split frame into the ring, and the rest after Receive has seen it.
func TestSplitFrameInTwoCalls(t *testing.T) {
	b := newBench(t, enettest.Options{Hold: true, Unchecked: true}, nil).up(t)
	ctl := func(i int, v uint32) {
		a := b.rings.Desc + uintptr(i*32)
		**(**uint32)(unsafe.Pointer(&a)) = v
	}
	const last = 1 << 27
	ctl(0, 1984)
	if _, n := b.port.Receive(); n != 0 {
		t.Fatalf("Receive of a first part = %d bytes", n)
	}
	ctl(1, 1984)
	if _, n := b.port.Receive(); n != 0 {
		t.Fatalf("Receive of a middle part = %d bytes", n)
	}
	ctl(2, last|66) // looks like a good frame of 60 bytes
	if _, n := b.port.Receive(); n != 0 {
		t.Fatalf("Receive of a last part = %d bytes", n)
	}
	ctl(3, last|66)
	if slot, n := b.port.Receive(); n != 60 || slot != 3 {
		t.Fatalf("Receive = slot %d, %d bytes, want slot 3, 60 bytes", slot, n)
	}
	if d := cmp.Diff(map[string]uint64{"rx_split": 1}, b.counters(), cmp.FilterPath(ignoreFrames, cmp.Ignore())); d != "" {
		t.Error(d)
	}
}

func ignoreFrames(p cmp.Path) bool { return strings.Contains(p.Last().String(), "rx_frames") }

// TestTransmitError: a frame that the MAC gave up is counted, and its slot comes back.
func TestTransmitError(t *testing.T) {
	b := newBench(t, enettest.Options{}, nil).up(t)
	b.TxFail = 2
	for i := range uint32(4) {
		b.port.Transmit(100+i, 60)
	}
	b.port.Start()
	for i := range uint32(4) {
		if s, ok := b.port.Reclaim(); !ok || s != 100+i {
			t.Errorf("Reclaim = %d, %v, want %d", s, ok, 100+i)
		}
	}
	if d := cmp.Diff(map[string]uint64{"tx_frames": 4, "tx_error": 2}, b.counters()); d != "" {
		t.Error(d)
	}
	if n := len(b.Sent()); n != 2 {
		t.Errorf("%d frames sent, want 2", n)
	}
}

// TestStalledTransmitter: TDAR falls with a frame ready (ERR007885, ERR006358: the DMA had seen the descriptor unready).
// TDAR is not written while it is set (the fake fails the test), and Reclaim starts the transmitter again.
func TestStalledTransmitter(t *testing.T) {
	b := newBench(t, enettest.Options{Async: true}, nil).up(t)
	b.port.Transmit(100, 60)
	b.port.Start()
	b.port.Transmit(101, 60)
	b.port.Start() // TDAR is set: not written
	b.Stall()
	if _, ok := b.port.Reclaim(); ok {
		t.Fatal("Reclaim of a frame that was not sent")
	}
	if n := b.Complete(-1); n != 2 {
		t.Fatalf("%d frames sent after the restart, want 2", n)
	}
	for want := uint32(100); want < 102; want++ {
		if s, ok := b.port.Reclaim(); !ok || s != want {
			t.Errorf("Reclaim = %d, %v, want %d", s, ok, want)
		}
	}
	if got := b.counters()["tx_restart"]; got != 1 {
		t.Errorf("tx_restart = %d, want 1", got)
	}
}

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

func TestMDIO(t *testing.T) {
	b := newBench(t, enettest.Options{}, nil).up(t)
	b.PHY = map[int]*[32]uint16{2: {2: 0x0022, 3: 0x1561}}
	if v, err := b.dev.ReadPHY(2, 3); v != 0x1561 || err != nil {
		t.Errorf("ReadPHY(2, 3) = %#x, %v", v, err)
	}
	if v, err := b.dev.ReadPHY(1, 3); v != 0xffff || err != nil {
		t.Errorf("ReadPHY of no PHY = %#x, %v, want 0xffff", v, err)
	}
	if err := b.dev.WritePHY(2, 31, 0x8190); err != nil || b.PHY[2][31] != 0x8190 {
		t.Errorf("WritePHY: %v, register 31 = %#x", err, b.PHY[2][31])
	}
	for _, a := range [][2]int{{-1, 0}, {32, 0}, {0, -1}, {0, 32}} {
		if _, err := b.dev.ReadPHY(a[0], a[1]); err == nil {
			t.Errorf("ReadPHY(%d, %d): no error", a[0], a[1])
		}
	}
	b.StuckMDIO = true
	_, err := b.dev.ReadPHY(2, 3)
	wantTimeout(t, err, "EIR.MII")
}

// TestMDIOKeepsEvents: a transfer leaves RXF alone, and Ack leaves MII alone.
func TestMDIOKeepsEvents(t *testing.T) {
	b := newBench(t, enettest.Options{}, nil).up(t)
	b.Inject(make([]byte, 60))
	if _, err := b.dev.ReadPHY(0, 0); err != nil {
		t.Fatal(err)
	}
	if !b.Interrupt() {
		t.Error("the MDIO transfer cleared RXF")
	}
	b.WriteReg(enet.MMFR, 0x60020000)
	b.port.Ack()
	if b.Reg(enet.EIR)&enet.EIR_MII == 0 {
		t.Error("Ack cleared MII")
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

// TestStatsWrap: the port counts in 32 bits, Stats in 64.
func TestStatsWrap(t *testing.T) {
	b := newBench(t, enettest.Options{}, nil).up(t)
	b.port.Counters[enet.RxCRC] = 1<<32 - 2
	if got := b.counters()["rx_crc"]; got != 1<<32-2 {
		t.Fatalf("rx_crc = %d", got)
	}
	b.port.Counters[enet.RxCRC] += 5
	if got := b.counters()["rx_crc"]; got != 1<<32+3 {
		t.Errorf("rx_crc = %d, want %d", got, uint64(1<<32+3))
	}
	b.Inject(make([]byte, 60))
	s, _ := b.port.Receive()
	b.port.Refill(s)
	if err := b.dev.Reinit(slots(0)); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(map[string]uint64{"rx_crc": 1<<32 + 3, "rx_frames": 1}, b.counters()); d != "" {
		t.Errorf("after Reinit: %s", d)
	}
}

func TestMIB(t *testing.T) {
	b := newBench(t, enettest.Options{}, func(c *enet.Config) { c.MIB = true }).up(t)
	b.WriteReg(0x284, 77)
	if got := b.counters()["mib_rmon_r_packets"]; got != 77 {
		t.Errorf("mib_rmon_r_packets = %d, want 77", got)
	}
}

// TestPortHasNoPointer: the garbage collector never looks at a port, whatever oob code stores. And all is 32 bits wide on
// the target, so that one load sees one value.
func TestPortHasNoPointer(t *testing.T) {
	var check func(name string, typ reflect.Type)
	check = func(name string, typ reflect.Type) {
		switch typ.Kind() {
		case reflect.Uint32, reflect.Uintptr:
		case reflect.Array:
			check(name+"[]", typ.Elem())
		case reflect.Struct:
			for i := range typ.NumField() {
				check(name+"."+typ.Field(i).Name, typ.Field(i).Type)
			}
		default:
			t.Errorf("%s is a %v", name, typ)
		}
	}
	check("Port", reflect.TypeFor[enet.Port]())
}

func BenchmarkFakeEcho(b *testing.B) {
	for _, unchecked := range []bool{false, true} {
		b.Run(fmt.Sprintf("unchecked=%v", unchecked), func(b *testing.B) {
			e := newBench(b, enettest.Options{Unchecked: unchecked}, nil).up(b)
			f, spare := make([]byte, 64), uint32(100)
			for b.Loop() {
				e.Inject(f)
				e.port.Ack()
				slot, n := e.port.Receive()
				e.port.Send(slot, n)
				e.port.Refill(spare)
				e.port.Resume()
				spare, _ = e.port.Reclaim()
				e.Discard()
			}
		})
	}
}

// FuzzRing drives the port with random steps against a model of who owns each slot.
func FuzzRing(f *testing.F) {
	for seed := range uint64(4) {
		f.Add(seed, 2000, seed%2 == 0)
	}
	f.Fuzz(func(t *testing.T, seed uint64, steps int, hold bool) {
		b := newBench(t, enettest.Options{Hold: hold, Async: true}, nil).up(t)
		r := rand.New(rand.NewPCG(seed, 5))
		var free []uint32
		for s := uint32(enet.RingSize); s < b.rings.Memory.Slots; s++ {
			free = append(free, s)
		}
		for range min(steps, 10000) {
			switch r.IntN(6) {
			case 0, 1:
				status := uint32(0)
				if r.IntN(4) == 0 {
					status = 1 << (16 + r.IntN(6))
				}
				b.InjectStatus(make([]byte, 14+r.IntN(1600)), status)
			case 2:
				b.port.Ack()
				for range r.IntN(2 * enet.RingSize) {
					slot, n := b.port.Receive()
					if n == 0 {
						break
					}
					if r.IntN(2) == 0 && len(free) > 0 && b.port.Send(slot, n) {
						slot, free = free[0], free[1:]
					}
					b.port.Refill(slot)
				}
				b.port.Resume()
			case 3:
				if len(free) > 0 && b.port.Transmit(free[0], uint32(r.IntN(1600))) {
					free = free[1:]
				}
				b.port.Start()
			case 4:
				b.Complete(r.IntN(enet.RingSize))
				if r.IntN(8) == 0 {
					b.Stall()
				}
			case 5:
				for slot, ok := b.port.Reclaim(); ok; slot, ok = b.port.Reclaim() {
					free = append(free, slot)
				}
			}
			b.Discard()
		}
		b.Check()
		got, err := b.dev.Shutdown(free)
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(got)
		for i, s := range got {
			if uint32(i) != s {
				t.Fatalf("slot %d is missing or twice", i)
			}
		}
		if len(got) != int(b.rings.Memory.Slots) {
			t.Errorf("%d slots, want %d", len(got), b.rings.Memory.Slots)
		}
	})
}
