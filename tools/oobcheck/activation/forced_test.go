package activation

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mortise/stack/divert"
	"mortise/stack/task"
	"mortise/stack/wire"
	"mortise/tasks/sockecho"
	"mortise/tools/qemu"
)

const (
	envGo = "MORTISE_TAMAGO_GO" // go command that builds firmware; make test sets it
	root  = "../../.."
	shift = 3

	bootLimit = 60 * time.Second
	limit     = 60 * time.Second // for the guest, on the host's clock

	// burst is how many frames come at once to each device: more than a receive ring and a budget hold, so that there is a
	// full ring at the tick.
	burst = 160
	// waiting is how many frames in-band wants to send at that tick: more than its budget, stack/divert's txBudget.
	waiting  = 24
	txBudget = 16
)

// A port is one of the two devices, by what its peer must know.
type port struct {
	wire  *qemu.Wire
	vid   uint16
	addr  [4]byte // of its VLAN's oob port
	plain [4]byte // of the device, in-band's
	mac   [6]byte
}

var peerMAC = [6]byte{0x02, 0, 0, 0, 0, 2}

// The longest activation that there is: at the tick both devices have a full receive budget of frames that cost the most,
// which are the largest, for a socket whose task answers them in as many runs as there can be, each judged by the dearest filter program
// that may judge so many (testdata/costly.c), and in-band's full budget to send. What it takes is below the static bound, and the bound is not more than four times as much.
func TestBoundIsNear(t *testing.T) {
	toolchain := os.Getenv(envGo)
	if toolchain == "" {
		t.Skipf("%s names no go command that knows GOOS=tamago: run make test", envGo)
	}
	emulator, err := qemu.Find("")
	if err != nil {
		t.Skipf("no emulator: %v", err)
	}
	image := build(t, toolchain)
	bound, err := Of(image, absolute(t, root), []string{"load_bulk", "tasks", "tasks_sockecho"})
	if err != nil {
		t.Fatal(err)
	}
	g := boot(t, emulator, image)
	for _, p := range g.ports {
		p.mac = g.resolve(p)
	}
	idle := g.measured(bound)

	g.silence("mortise/stack/stage.Kick", image)
	// In-band's answers wait: nothing kicks the stage. It learns where they go from a request for its own address.
	for _, p := range g.ports {
		broadcast := &wire.Header{Dst: [6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, Src: peerMAC, SrcIP: beside(p.plain), DstIP: p.plain}
		g.send(p, wire.AppendARP(nil, broadcast, 1, [6]byte{}))
	}
	for n := range waiting {
		for _, p := range g.ports {
			h := &wire.Header{Dst: p.mac, Src: peerMAC, SrcIP: beside(p.plain), DstIP: p.plain}
			g.send(p, wire.AppendUDP(nil, h, 40000, 7777, binary.BigEndian.AppendUint32(nil, uint32(n))))
		}
	}
	g.until("in-band's answers wait", func() bool { return g.crossing(0, divert.Inband) >= waiting && g.crossing(1, divert.Inband) >= waiting })
	time.Sleep(2 * time.Second) // in-band answers; nothing tells when

	if n := g.crossing(0, divert.TxInband) + g.crossing(1, divert.TxInband); n != 0 {
		t.Errorf("%d of in-band's frames did not wait for the tick", n)
	}
	received := [2]uint32{g.crossing(0, divert.Received), g.crossing(1, divert.Received)}
	answered := g.crossing(0, divert.TxOob) + g.crossing(1, divert.TxOob)
	if err := g.monitor.Stop(); err != nil {
		t.Fatal(err)
	}
	for range burst {
		for _, p := range g.ports {
			g.send(p, costliest(p))
		}
	}
	if err := g.monitor.Continue(); err != nil {
		t.Fatal(err)
	}
	g.until("all requests are taken", func() bool {
		return g.crossing(0, divert.Received) >= received[0]+burst && g.crossing(1, divert.Received) >= received[1]+burst
	})
	g.until("in-band's frames are sent", func() bool {
		return g.crossing(0, divert.TxInband) >= waiting && g.crossing(1, divert.TxInband) >= waiting
	})

	measured := g.measured(bound)
	t.Logf("longest activation: %d instructions, static bound %d, %.2f times as much; before the burst %d", measured,
		bound.Instructions, float64(bound.Instructions)/float64(measured), idle)
	if g.crossing(0, divert.Throttled) == 0 || g.crossing(1, divert.Throttled) == 0 {
		t.Error("no activation used up its budget: the test forces nothing")
	}
	// More come than the task has runs for: its socket's queue fills, and then drops.
	if n := g.crossing(0, divert.TxOob) + g.crossing(1, divert.TxOob) - answered; n < 3*task.MaxRuns {
		t.Errorf("%d requests are answered, want at least %d: what the task's runs in one activation answer", n, 3*task.MaxRuns)
	}
	if err := bound.Check(measured); err != nil {
		t.Error(err)
	}
	if bound.Instructions > 4*measured {
		t.Errorf("static bound %d, want at most four times the longest activation, %d", bound.Instructions, measured)
	}
}

// costliest returns a frame of the kind that costs the oob stage the most: a datagram to a task's socket as long as a frame with
// two tags can be, from an address that is in the list of refused ones but for its last look.
func costliest(p *port) []byte {
	tags := []wire.VLAN{{TPID: 0x88a8, VID: 7}, {VID: p.vid}}
	h := &wire.Header{Dst: p.mac, Src: peerMAC, Tags: tags, SrcIP: [4]byte{192, 0, 2, 1}, DstIP: p.addr}
	return wire.AppendUDP(nil, h, 40000, sockecho.Port, bytes.Repeat([]byte{0xa5}, 1472))
}

// beside returns the address of the port's peer.
func beside(ip [4]byte) [4]byte {
	ip[3]++
	return ip
}

// build builds the image of the test: both devices diverted. The load that it has does nothing until a peer connects; it gives
// the image a place of its own.
func build(t *testing.T, toolchain string) string {
	t.Helper()
	cmd := exec.Command("go", "run", "./tools/mortise", "firmware", "-load", "bulk", "-tasks", "sockecho", "-config", "tools/oobcheck/activation/testdata/both.toml")
	cmd.Dir, cmd.Env = root, append(os.Environ(), "TAMAGO="+toolchain)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, out)
	}
	b, err := os.ReadFile(filepath.Join(root, "build/mx6ullevk/gateway-load-sockecho.elf"))
	if err != nil {
		t.Fatal(err)
	}
	image := filepath.Join(t.TempDir(), "both.elf")
	if err := os.WriteFile(image, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return image
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// guest is the running firmware.
type guest struct {
	*testing.T
	monitor *qemu.Monitor
	ports   []*port
	gdb     string // socket of the emulator's debugger interface
	cross   uint64 // address of the counters between the stages
}

func boot(t *testing.T, emulator *qemu.Emulator, image string) *guest {
	t.Helper()
	g := &guest{T: t, ports: []*port{
		{vid: 42, addr: [4]byte{10, 0, 42, 1}, plain: [4]byte{10, 0, 0, 1}},
		{vid: 43, addr: [4]byte{10, 0, 43, 1}, plain: [4]byte{10, 0, 2, 15}},
	}}
	dir, err := os.MkdirTemp("", "mortise-activation-") // a unix socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	m := qemu.Machine{
		Emulator: emulator, Kernel: image, Serial: filepath.Join(dir, "serial.log"), Deadline: 5 * time.Minute,
		Icount: &qemu.Icount{Shift: shift, Sleep: true},
		Args:   append(qemu.MonitorArgs(filepath.Join(dir, "monitor")), "-gdb", "unix:"+filepath.Join(dir, "gdb")+",server=on,wait=off"),
	}
	g.gdb = filepath.Join(dir, "gdb")
	for _, p := range g.ports {
		if p.wire, err = qemu.NewWire(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { p.wire.Close() })
		// Frames enter both controllers at the same times, however the host got on with sending them.
		m.Ports = append(m.Ports, qemu.Port{Net: p.wire, Release: 20 * time.Millisecond})
	}
	process, err := m.Start(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = process.Stop() })
	if g.monitor, err = qemu.OpenMonitor(filepath.Join(dir, "monitor")); err != nil {
		t.Fatal(err)
	}
	if err := process.WaitSerial("\nserving", bootLimit); err != nil {
		log, _ := process.Serial()
		t.Fatalf("%v\n%s", err, log)
	}
	var symbols map[string]uint64
	if symbols, err = variables(image); err != nil {
		t.Fatal(err)
	}
	g.cross = symbols["mortise/stack/divert.counters"]
	if g.cross == 0 {
		t.Fatal("the image has no symbol mortise/stack/divert.counters")
	}
	return g
}

// silence makes an in-band function return at once, by the debugger's interface (GDB's remote protocol: M writes memory, D lets
// go): the image is as it was built.
func (g *guest) silence(function, image string) {
	g.Helper()
	symbols, err := variables(image)
	if err != nil {
		g.Fatal(err)
	}
	const bxLR = "1eff2fe1" // bx lr (A8.8.27, ARM DDI 0406C), as it lies in memory
	c, err := net.Dial("unix", g.gdb)
	if err != nil {
		g.Fatal(err)
	}
	defer c.Close()
	in := bufio.NewReader(c)
	for _, command := range []string{fmt.Sprintf("M%x,4:%s", symbols[function], bxLR), "D"} {
		sum := byte(0)
		for _, b := range []byte(command) {
			sum += b
		}
		if err := c.SetDeadline(time.Now().Add(limit)); err != nil {
			g.Fatal(err)
		}
		fmt.Fprintf(c, "$%s#%02x", command, sum)
		reply := "T"
		for strings.HasPrefix(reply, "T") { // it tells that it has stopped, too
			if _, err = in.ReadString('$'); err != nil {
				g.Fatal(err)
			}
			if reply, err = in.ReadString('#'); err != nil {
				g.Fatal(err)
			}
			fmt.Fprint(c, "+")
		}
		if reply != "OK#" {
			g.Fatalf("debugger: %s: %q, want OK", command, reply)
		}
	}
}

func (g *guest) send(p *port, frame []byte) {
	g.Helper()
	if err := p.wire.Send(frame); err != nil {
		g.Fatal(err)
	}
}

// resolve makes the peer known to the guest and returns the device's address.
func (g *guest) resolve(p *port) [6]byte {
	g.Helper()
	tags := []wire.VLAN{{VID: p.vid}}
	broadcast := [6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	ask := &wire.Header{Dst: broadcast, Src: peerMAC, Tags: tags, SrcIP: beside(p.addr), DstIP: p.addr}
	g.send(p, wire.AppendARP(nil, ask, 1, [6]byte{}))
	for end := time.Now().Add(limit); ; {
		b, err := p.wire.Receive(time.Until(end))
		if err != nil {
			g.Fatalf("VLAN %d: no ARP reply: %v", p.vid, err)
		}
		if len(b) >= 18+28 && binary.BigEndian.Uint16(b[16:]) == 0x0806 && b[18+7] == 2 {
			return [6]byte(b[18+8 : 18+14])
		}
	}
}

// until waits until done, and takes what the guest has sent out of the way.
func (g *guest) until(what string, done func() bool) {
	g.Helper()
	for end := time.Now().Add(limit); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			g.Fatalf("%s: not in %v", what, limit)
		}
		for _, p := range g.ports {
			p.wire.Drain()
		}
	}
}

func (g *guest) word(addr uint64) uint32 {
	g.Helper()
	b, err := g.monitor.Memory(addr, 4)
	if err != nil {
		g.Fatal(err)
	}
	return binary.LittleEndian.Uint32(b)
}

func (g *guest) crossing(dev uint64, c divert.Counter) uint32 {
	return g.word(g.cross + 4*(dev*uint64(divert.NumCounters)+uint64(c)))
}

func (g *guest) measured(b *Bound) int64 {
	g.Helper()
	n, err := b.Measured(g.monitor, shift)
	if err != nil {
		g.Fatal(err)
	}
	return n
}
