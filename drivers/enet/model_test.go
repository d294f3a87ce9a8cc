package enet

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"unsafe"

	"mortise/drivers/mmio"
	"mortise/stack/frame"
)

// A modelPort is a Port with its rings in the memory of a model processor, whose words are GOARCH=arm's, beside the same one on the
// host.
type modelPort struct {
	*testing.T
	cpu   *arm
	host  Port
	rx    [RingSize]desc
	tx    [RingSize]desc
	trace *recorder
}

// Where things are in the model.
const (
	modelBase                                = 0x02188000
	modelPortAt, modelRx, modelTx, modelList = 0x80000000, 0x9c000000, 0x9c010000, 0x80010000
)

// newModelPort puts hw, and what set makes of the rings, into both memories.
func newModelPort(t *testing.T, hw Port, set func(rx, tx *[RingSize]desc)) *modelPort {
	m := &modelPort{T: t, host: hw, trace: &recorder{desc: &desc{}}}
	m.host.base, m.host.rxDesc, m.host.txDesc = modelBase, uintptr(unsafe.Pointer(&m.rx)), uintptr(unsafe.Pointer(&m.tx))
	if set != nil {
		set(&m.rx, &m.tx)
	}
	m.cpu = &arm{base: modelBase, memory: map[uint32]uint32{}}
	m.words(func(a uint32, v uint32) { m.cpu.memory[a] = v })
	t.Cleanup(mmio.Map(modelBase, 0x4000, m.trace))
	return m
}

// words calls f for each word of the host's port and rings, with the address that the model has it at.
func (m *modelPort) words(f func(a, v uint32)) {
	a, p := uint32(modelPortAt), reflect.ValueOf(&m.host).Elem()
	for i := range p.NumField() {
		switch v, name := p.Field(i), p.Type().Field(i).Name; {
		case name == "rxDesc":
			f(a, modelRx)
		case name == "txDesc":
			f(a, modelTx)
		case v.Kind() == reflect.Array:
			for j := range v.Len() {
				f(a+4*uint32(j), uint32(v.Index(j).Uint()))
			}
			a += 4*uint32(v.Len()) - 4
		default:
			f(a, uint32(v.Uint()))
		}
		a += 4
	}
	for i := range uint32(RingSize) {
		for at, d := range map[uint32]*desc{modelRx: &m.rx[i], modelTx: &m.tx[i]} {
			f(at+i*descSize, d.ctl)
			f(at+i*descSize+4, d.addr)
			f(at+i*descSize+8, d.ext)
		}
	}
}

// run runs the code in the model.
func (m *modelPort) run(code []uint32, args ...uint32) {
	m.Helper()
	m.cpu.args = args
	if err := m.cpu.run(code); err != nil {
		m.Fatal(err)
	}
}

// same checks that both memories have become the same.
func (m *modelPort) same() {
	m.Helper()
	m.words(func(a, v uint32) {
		if got := m.cpu.memory[a]; got != v {
			m.Errorf("word %#x = %#x, in Go %#x", a, got, v)
		}
	})
}

// handedOver checks that n descriptors of the ring at base got their three words, ctl last and behind a barrier.
func (m *modelPort) handedOver(base, n uint32) {
	m.Helper()
	words := uint32(0)
	for i, s := range m.cpu.trace {
		var a, v uint32
		if _, err := fmt.Sscanf(s, "0x%x = 0x%x", &a, &v); err != nil || a < base || a >= base+RingSize*descSize {
			continue
		}
		words++
		if last := a%descSize == 0; last != (words%3 == 0) || last && m.cpu.trace[i-1] != "dmb" {
			m.Errorf("%v: ctl is not behind the other words and a barrier", m.cpu.trace[:i+1])
		}
	}
	if words != 3*n {
		m.Errorf("%d words of descriptors stored, want %d", words, 3*n)
	}
}

// TestRefillLeaf: refill does what Refill and Resume do.
func TestRefillLeaf(t *testing.T) {
	code := assemble(t)["refill"]
	for _, tt := range []struct{ fill, n uint32 }{{0, 0}, {5, 1}, {61, 5}, {1<<32 - 2, 4}, {7, MaxRefill}, {9, MaxRefill + 5}} {
		t.Run(fmt.Sprintf("%d from %d", tt.n, tt.fill), func(t *testing.T) {
			m := newModelPort(t, Port{rxBus: 0x9c100000, rxFill: tt.fill, rxRecycled: 7, rxMark: 3}, nil)
			var slots [MaxRefill]uint32
			for i := range slots {
				slots[i] = uint32(100 + 3*i)
				m.cpu.memory[modelList+4*uint32(i)] = slots[i]
			}
			m.run(code, modelPortAt, modelList, tt.n)
			refill(&m.host, &slots, tt.n)
			m.same()
			taken := min(tt.n, MaxRefill)
			if m.host.rxFill != tt.fill+taken || m.host.rxMark != 7 {
				t.Errorf("rxFill, rxMark = %d, %d", m.host.rxFill, m.host.rxMark)
			}
			m.handedOver(modelRx, taken)
			if i := len(m.cpu.trace) - 3; !slices.Equal(m.cpu.trace[i:i+2], []string{"dsb", "write 0x10 0x1000000"}) {
				t.Errorf("at the end %v, want RDAR behind a DSB", m.cpu.trace[i:])
			}
		})
	}
}

// TestReceiveLeaf: receive takes the frames that the twin takes, behind a barrier, and leaves all others to receiveSlow.
func TestReceiveLeaf(t *testing.T) {
	code := assemble(t)["receive"]
	const least, most = minLen + padFCS, frame.MaxLen + padFCS
	for _, tt := range []struct {
		name           string
		good, ctl, ext uint32
		slow           bool
	}{
		{"empty", BD_L, BD_RX_E, 0, true},
		{"good", BD_L, BD_L | 64, 0, false},
		{"last of the ring, group", BD_L, BD_L | BD_W | BD_RX_MC | BD_RX_BC | 64, 0x7fffffff, false},
		{"shortest", BD_L, BD_L | least, 0, false},
		{"short", BD_L, BD_L | least - 1, 0, true},
		{"nothing", BD_L, BD_L, 0, true},
		{"longest", BD_L, BD_L | most, 0, false},
		{"long", BD_L, BD_L | most + 1, 0, true},
		{"65,535", BD_L, BD_L | 65535, 0, true},
		{"MAC error", BD_L, BD_L | 64, BD_RX_ME, true},
		{"LG", BD_L, BD_L | BD_RX_LG | 64, 0, true},
		{"NO", BD_L, BD_L | BD_RX_NO | 64, 0, true},
		{"CR", BD_L, BD_L | BD_RX_CR | 64, 0, true},
		{"OV", BD_L, BD_L | BD_RX_OV | 64, 0, true},
		{"TR", BD_L, BD_L | BD_RX_TR | 64, 0, true},
		{"split", BD_L, 64, 0, true},
		{"a split frame's last", 0, BD_L | 64, 0, true},
	} {
		for _, head := range []uint32{0, 63, 64*5 + 17, 1<<32 - 1} {
			t.Run(fmt.Sprintf("%s/%d", tt.name, head), func(t *testing.T) {
				m := newModelPort(t, Port{rxGood: tt.good, rxHead: head, rxFill: head}, func(rx, _ *[RingSize]desc) {
					for i := range rx {
						rx[i].ctl = BD_RX_E
					}
					rx[head%RingSize] = desc{ctl: tt.ctl, ext: tt.ext}
				})
				for i := range m.host.rxSlot {
					m.host.rxSlot[i] = uint32(200 + i)
				}
				m.words(func(a, v uint32) { m.cpu.memory[a] = v })
				m.run(code, modelPortAt, 0, 0)
				if m.cpu.left != tt.slow {
					t.Fatalf("left to receiveSlow: %v, want %v", m.cpu.left, tt.slow)
				}
				if tt.slow {
					m.same() // nothing has changed yet
					return
				}
				slot, n := receive(&m.host)
				m.same()
				if m.cpu.args[1] != slot || m.cpu.args[2] != n || n != length(tt.ctl)-padFCS || slot != 200+head%RingSize {
					t.Errorf("slot, n = %d, %d, in Go %d, %d", m.cpu.args[1], m.cpu.args[2], slot, n)
				}
				if !slices.Contains(m.cpu.trace, "dmb") {
					t.Error("no barrier")
				}
			})
		}
	}
}

// TestQueueLeaf: queue and queueFrom hand over what the twin hands over, and start the transmitter unless it runs; what they refuse
// changes nothing.
func TestQueueLeaf(t *testing.T) {
	code := assemble(t)
	for _, tt := range []struct {
		name    string
		head, n uint32
		queued  uint32
		shift   uint32
		tdar    uint32
		refused bool
	}{
		{"first", 0, 60, 0, 0, 0, false},
		{"at the ring's end", 50, 60, 13, 0, 0, false},
		{"counters wrap", 1<<32 - 1, 1514, 3, 0, 0, false},
		{"the last position", 7, 60, RingSize - 1, 0, 0, false},
		{"full", 7, 60, RingSize, 0, 0, true},
		{"shortest", 0, minLen, 0, 0, 0, false},
		{"short", 0, minLen - 1, 0, 0, 0, true},
		{"longest", 0, frame.MaxLen, 0, 0, 0, false},
		{"long", 0, frame.MaxLen + 1, 0, 0, 0, true},
		{"active", 0, 60, 2, 0, TDAR_TDAR, false},
		{"moved back", 0, 60, 0, 4, 0, false},
		{"moved ahead", 0, 60, 0, 1<<32 - 4, 0, false},
	} {
		for _, name := range []string{"queue", "queueFrom"} {
			if name == "queue" && tt.shift != 0 {
				continue
			}
			t.Run(tt.name+"/"+name, func(t *testing.T) {
				const slot = 321
				m := newModelPort(t, Port{txBus: 0x9c100002, txExtra: 0x8c000002, txHead: tt.head, txTail: tt.head + tt.queued}, nil)
				m.cpu.tdar, m.trace.tdar = tt.tdar, tt.tdar
				args := []uint32{modelPortAt, slot, tt.n, 7}
				if name == "queueFrom" {
					args = []uint32{modelPortAt, slot, tt.shift, tt.n, 7}
				}
				m.run(code[name], args...)
				if m.cpu.left != tt.refused {
					t.Fatalf("refused: %v, want %v", m.cpu.left, tt.refused)
				}
				if tt.refused {
					m.same()
					return
				}
				if !queueFrom(&m.host, slot, tt.shift, tt.n) || args[len(args)-1]&0xff != 1 {
					t.Error("not true")
				}
				m.same()
				m.handedOver(modelTx, 1)
				end := []string{"dsb", "read 0x14", "write 0x14 0x1000000"}
				if tt.tdar != 0 {
					end = end[:2]
				}
				if got := m.cpu.trace[len(m.cpu.trace)-len(end):]; !slices.Equal(got, end) {
					t.Errorf("at the end %v, want %v", got, end)
				}
			})
		}
	}
}
