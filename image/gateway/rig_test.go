// Package main_test boots the firmware in QEMU and speaks with it over its two ports.
//
// The images come from the environment (MORTISE_ELF, MORTISE_INJECT_ELF, MORTISE_LOAD_ELF: see the README's make test); without them the
// tests are skipped. Each test ends by reading the counters out of the machine's memory and checking that every frame
// received is accounted for, whatever state in-band is in by then.
package main_test

import (
	"context"
	"debug/elf"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mortise/stack/divert"
	"mortise/stack/oob"
	"mortise/stack/socket"
	"mortise/tools/qemu"
)

// Environment: the images under test, and where serial log and capture of a failed test are kept.
const (
	envImage  = "MORTISE_ELF"
	envInject = "MORTISE_INJECT_ELF"
	envLoad   = "MORTISE_LOAD_ELF" // gc=PATH:spin=PATH
	envLogs   = "MORTISE_TEST_LOGS"
)

// Addresses of the default configuration, and ours beside them.
var (
	peerMAC   = [6]byte{0x02, 0, 0, 0, 0, 2}
	broadcast = [6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	rtIP      = [4]byte{10, 0, 0, 1}
	rtPeer    = [4]byte{10, 0, 0, 2}
	vlanIP    = [4]byte{10, 0, 42, 1}
	vlanPeer  = [4]byte{10, 0, 42, 2}
)

const (
	vlan       = 42
	bootLimit  = 60 * time.Second
	replyLimit = 5 * time.Second // a reply that takes longer is lost
	quiet      = 300 * time.Millisecond
)

// A rig is a running firmware with both cables in our hands.
type rig struct {
	t       *testing.T
	process *qemu.Process
	monitor *qemu.Monitor
	rt      *qemu.Wire // rt0's cable
	lan     *qemu.Wire // lan0's, nil when it is QEMU's user network
	symbols map[string]elf.Symbol
	mac     [6]byte // rt0's
	web     string  // host address of lan0's port 80
	inject  string  // host address of lan0's injection port
	dir     string  // with the sockets

	terminal net.Conn // see typed
}

type options struct {
	lanWire bool         // lan0's cable is in our hands too, instead of QEMU's user network
	console bool         // commands are typed: rig.typed
	reboot  bool         // a reset starts the firmware anew
	icount  *qemu.Icount // virtual time; nil: real time
	// release is the virtual time between two releases of frames to rt0; 0: they come when they are sent.
	release  time.Duration
	deadline time.Duration // of the emulator; 0: 10 minutes
}

// boot starts the image that env names and waits until it serves.
func boot(t *testing.T, env string, o options) *rig {
	t.Helper()
	image := os.Getenv(env)
	if image == "" {
		t.Skipf("%s names no firmware: run make test", env)
	}
	return bootImage(t, image, o)
}

func bootImage(t *testing.T, image string, o options) *rig {
	t.Helper()
	emulator, err := qemu.Find("")
	if err != nil {
		t.Skipf("no emulator: %v", err)
	}
	if o.deadline == 0 {
		o.deadline = 10 * time.Minute
	}
	r := &rig{t: t, web: freeAddress(t, "tcp"), inject: freeAddress(t, "udp")}
	dir := t.TempDir()
	r.dir = dir
	r.symbols = symbols(t, image)
	r.rt = newWire(t)
	far := qemu.Net(qemu.User{Forward: []qemu.Forward{
		{Protocol: "tcp", Host: r.web, Guest: "10.0.2.15:80"},
		{Protocol: "udp", Host: r.inject, Guest: "10.0.2.15:7799"},
	}})
	if o.lanWire {
		r.lan = newWire(t)
		far = r.lan
	}
	m := qemu.Machine{
		Emulator: emulator, Kernel: image, Serial: filepath.Join(dir, "serial.log"), Deadline: o.deadline, Icount: o.icount,
		Ports: []qemu.Port{
			{Net: r.rt, PCAP: filepath.Join(dir, "rt0.pcap"), Release: o.release},
			{Net: far, PCAP: filepath.Join(dir, "lan0.pcap")},
		},
		Args:   qemu.MonitorArgs(filepath.Join(dir, "monitor")),
		Reboot: o.reboot,
	}
	if o.console {
		m.Console = filepath.Join(dir, "console")
	}
	if r.process, err = m.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.keep(dir) })
	t.Cleanup(func() { _ = r.process.Stop() })
	if r.monitor, err = qemu.OpenMonitor(filepath.Join(dir, "monitor")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.account)
	if err := r.process.WaitSerial("\nserving", bootLimit); err != nil {
		log, _ := r.process.Serial()
		t.Fatalf("%v\n%s", err, log)
	}
	r.mac = r.resolve(nil, rtIP, rtPeer)
	return r
}

// keep saves what a failed test leaves to look at.
func (r *rig) keep(dir string) {
	to := os.Getenv(envLogs)
	if !r.t.Failed() || to == "" {
		return
	}
	to = filepath.Join(to, filepath.FromSlash(r.t.Name()))
	if err := os.MkdirAll(to, 0o755); err != nil {
		r.t.Log(err)
		return
	}
	for _, name := range []string{"serial.log", "rt0.pcap", "lan0.pcap"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(to, name), b, 0o644)
		}
		if err != nil {
			r.t.Log(err)
		}
	}
	r.t.Logf("serial log and captures: %s", to)
}

func newWire(t *testing.T) *qemu.Wire {
	w, err := qemu.NewWire()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w
}

func freeAddress(t *testing.T, network string) string {
	if network == "udp" {
		c, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.LocalAddr().String()
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func symbols(t *testing.T, image string) map[string]elf.Symbol {
	f, err := elf.Open(image)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	list, err := f.Symbols()
	if err != nil {
		t.Fatalf("%s: %v", image, err)
	}
	m := make(map[string]elf.Symbol, len(list))
	for _, s := range list {
		m[s.Name] = s
	}
	return m
}

// words reads a variable of the firmware as 32-bit words.
func (r *rig) words(name string) []uint32 {
	r.t.Helper()
	s, ok := r.symbols[name]
	if !ok {
		r.t.Fatalf("the image has no symbol %s", name)
	}
	b, err := r.monitor.Memory(s.Value, s.Size)
	if err != nil {
		r.t.Fatal(err)
	}
	w := make([]uint32, len(b)/4)
	for i := range w {
		w[i] = binary.LittleEndian.Uint32(b[4*i:])
	}
	return w
}

// crossing returns the counters of the first device between the stages.
func (r *rig) crossing() (c [divert.NumCounters]uint32) {
	copy(c[:], r.words("mortise/stack/divert.counters"))
	return c
}

// core returns the companion core's counters of the first device: they come first in its state, of which each of two banks
// has one, and a twin.
func (r *rig) core() (s oob.Stats) {
	for _, name := range []string{"mortise/stack/oob.banks", "mortise/stack/oob.twins"} {
		banks := r.words(name)
		for bank := range 2 {
			for i := range s {
				s[i] += banks[bank*len(banks)/2+i]
			}
		}
	}
	ports := r.words("mortise/stack/socket.ports")
	for i := range uint32(oob.MaxPorts) { // what sockets have taken is counted by port
		s[oob.SocketQueued] += ports[socket.QueuedOffset(oob.PortIndex(0, i))/4]
	}
	return s
}

// account checks that every frame received is accounted for.
func (r *rig) account() {
	t := r.t
	t.Helper()
	time.Sleep(quiet)
	if err := r.monitor.Stop(); err != nil {
		t.Error(err)
		return
	}
	c, s := r.crossing(), r.core()
	if !s.Balanced() {
		t.Errorf("companion core: received %d ≠ %d accepted + %d left to in-band + %d dropped",
			s[oob.Received], s.Accepted(), s.Inband(), s.Dropped())
	}
	received := c[divert.Received]
	fates := s.Accepted() + s.Dropped() + c[divert.Inband] + c[divert.InbandFull] + c[divert.InbandCapped] + c[divert.NoSlot]
	if received == 0 || received != fates {
		t.Errorf("received %d ≠ %d accepted + %d dropped by the core + %d in-band + %d + %d + %d dropped in between",
			received, s.Accepted(), s.Dropped(), c[divert.Inband], c[divert.InbandFull], c[divert.InbandCapped], c[divert.NoSlot])
	}
	if n := s[oob.EventLost]; n > 64 {
		t.Logf("%d events lost", n)
	}
}

// get fetches a path of the status page over lan0.
func (r *rig) get(path string) (string, error) {
	client := http.Client{Timeout: 20 * time.Second}
	resp, err := client.Get("http://" + r.web + path)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = errors.New(resp.Status)
	}
	return string(b), err
}

// status is what the tests need of /api/status.
type status struct {
	Version  string
	UptimeNS int64 `json:"uptime_ns"`
	Stage    struct {
		State              string
		Restarts           uint64
		StaysDown          bool `json:"stays_down"`
		RestartsLastMinute int  `json:"restarts_last_minute"`
		Fault              struct {
			Kind, Function, File string
			Line                 int
			Chain                []struct{ Function string }
		}
	}
	Crash *struct {
		Firmware     string
		UptimeNS     int64 `json:"uptime_ns"`
		Doing        string
		Faults       uint64
		InbandSilent bool `json:"inband_silent"`
		Report       string
	}
	Devices []struct {
		Name     string
		Diverted bool
		Counters []struct {
			Name   string
			Values []struct {
				Name  string
				Value uint64
			}
		}
	}
}

func (r *rig) status() (s status) {
	r.t.Helper()
	text, err := r.get("/api/status")
	if err == nil {
		err = json.Unmarshal([]byte(text), &s)
	}
	if err != nil {
		r.t.Fatalf("/api/status: %v", err)
	}
	return s
}

// value returns a counter of a device.
func (s *status) value(device, group, counter string) (uint64, error) {
	for _, d := range s.Devices {
		for _, g := range d.Counters {
			for _, c := range g.Values {
				if d.Name == device && g.Name == group && c.Name == counter {
					return c.Value, nil
				}
			}
		}
	}
	return 0, fmt.Errorf("no counter %s of %s, %s", counter, device, group)
}

// counted tells what is counted of a device.
func (r *rig) counted(device string) string {
	r.t.Helper()
	var text strings.Builder
	s := r.status()
	for _, d := range s.Devices {
		if d.Name != device {
			continue
		}
		for _, g := range d.Counters {
			for _, c := range g.Values {
				if c.Value != 0 {
					fmt.Fprintf(&text, "%s %s: %d\n", g.Name, c.Name, c.Value)
				}
			}
		}
	}
	return text.String()
}

// checkSlots fails the test when slots of a quiet device are missing.
func (r *rig) checkSlots(device string) {
	r.t.Helper()
	time.Sleep(quiet)
	s := r.status()
	sum := uint64(0)
	for _, place := range []string{"free", "rx_ring", "tx_ring", "rx_full", "rx_empty", "tx_full", "tx_empty"} {
		n, err := s.value(device, "crossing", "slots_"+place)
		if err != nil {
			r.t.Fatal(err)
		}
		sum += n
	}
	if sum != divert.SlotsPerDevice {
		r.t.Errorf("%s: slots in all places = %d, want %d", device, sum, divert.SlotsPerDevice)
	}
}

// command sends a command to the image with fault injection.
func (r *rig) command(s string) {
	r.t.Helper()
	conn, err := net.Dial("udp", r.inject)
	if err != nil {
		r.t.Fatal(err)
	}
	defer conn.Close()
	buf := make([]byte, 64)
	for range 3 { // the first datagram may go while QEMU's network asks for the guest's address
		if _, err := conn.Write([]byte(s)); err != nil {
			r.t.Fatal(err)
		}
		_ = conn.SetReadDeadline(time.Now().Add(replyLimit))
		n, err := conn.Read(buf)
		if err != nil {
			continue
		}
		if got := string(buf[:n]); got != "ok" {
			r.t.Fatalf("command %q: %s", s, got)
		}
		return
	}
	r.t.Fatalf("command %q: no answer", s)
}
