package enet_test

import (
	"reflect"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"mortise/drivers/enet"
	"mortise/drivers/enet/enettest"
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
