package qemu

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// BootTime is the guest's date at reset when time is virtual: a fixed one, so that runs repeat.
const BootTime = "2026-01-01T00:00:00"

// Board is what a board is called in QEMU.
type Board struct{ Machine, CPU, Memory string }

// The boards; see their packages for where machine and board differ.
var (
	MX6ULLEVK = Board{"mcimx6ul-evk", "cortex-a7", "512M"}
	Virt      = Board{"virt,gic-version=3", "cortex-a53", "512M"} // takes Emulator.AArch64; has no Ports
)

// Machine is one emulated board and what is plugged into it.
type Machine struct {
	Emulator *Emulator
	Board    Board         // zero: MX6ULLEVK
	Kernel   string        // the firmware's ELF
	Ports    []Port        // ENET1, then ENET2; a port that is missing here has no cable
	Icount   *Icount       // virtual time; nil: real time
	Serial   string        // file that gets the console's output; empty: none is kept
	Console  string        // Unix socket on which the console takes what is typed, beside Serial; empty: nothing is typed
	Reboot   bool          // a reset starts the firmware anew; else it ends the emulator
	Deadline time.Duration // the machine is killed when it has run so long; 0: never
	Args     []string      // further arguments, after all others
	// Steady pins the emulator to one host CPU and lets its main thread go before its other threads, which an exactly
	// repeatable run needs. It takes privileges: Process.Steady tells whether it worked.
	Steady bool
}

// Icount makes time virtual: a guest instruction takes 2^Shift nanoseconds.
type Icount struct {
	Shift int
	// Sleep keeps virtual time from running ahead of the host's, for runs with live peers. Without it an idle guest
	// goes to its next event at once.
	Sleep bool
}

// Port is a port of the board: what is at the other end of the cable and what watches the cable.
type Port struct {
	Net Net
	// PCAP, if not empty, is the capture file that gets every frame with its virtual time.
	PCAP string
	// Release, if not 0, lets frames enter the NIC only at multiples of it, on the virtual clock.
	Release time.Duration
	// Barrier, if not nil, stops virtual time at every frame that is about to enter the NIC.
	Barrier *Barrier
}

// Net is the other end of a port's cable: a *Wire, User, Hub or Unconnected.
type Net interface {
	netdev(id string, l *launch) string
}

// Unconnected is a cable with nothing at its other end.
type Unconnected struct{}

func (Unconnected) netdev(id string, l *launch) string {
	l.hubs++
	return fmt.Sprintf("hubport,id=%s,hubid=%d", id, l.hubs)
}

// Hub joins several ends: each gets what any other sends. A switch it is not: all frames go to all.
type Hub []Net

func (h Hub) netdev(id string, l *launch) string {
	l.hubs++
	hub := l.hubs
	for i, n := range h {
		end := fmt.Sprintf("%s-end%d", id, i)
		l.netdevs = append(l.netdevs, "-netdev", n.netdev(end, l),
			"-netdev", fmt.Sprintf("hubport,id=%s-port,hubid=%d,netdev=%s", end, hub, end))
	}
	return fmt.Sprintf("hubport,id=%s,hubid=%d", id, hub)
}

// User is QEMU's own network in user space: 10.0.2.0/24, gateway 10.0.2.2.
type User struct {
	Forward    []Forward
	Restricted bool // the guest can reach nothing but what Forward brings in
}

// Forward passes connections to a host address to a port of the guest.
type Forward struct {
	Protocol string // "tcp" or "udp"
	Host     string // "127.0.0.1:8080"
	Guest    string // "10.0.2.15:80"
}

func (u User) netdev(id string, _ *launch) string {
	arg := "user,id=" + id
	if u.Restricted {
		arg += ",restrict=on"
	}
	for _, f := range u.Forward {
		arg += fmt.Sprintf(",hostfwd=%s:%s-%s", f.Protocol, f.Host, f.Guest)
	}
	return arg
}

// launch collects what a command line refers to: files that the emulator inherits, and the first error.
type launch struct {
	files   []*os.File
	owner   []**os.File // where each of files is kept until the emulator has it
	hubs    int
	netdevs []string // arguments ahead of the port's own
	err     error
}

const firstFile = 3 // exec.Cmd numbers ExtraFiles from here

// file makes the emulator inherit f and returns its number there. *owner is set to nil once it has it.
func (l *launch) file(f *os.File, owner **os.File) int {
	l.files = append(l.files, f)
	l.owner = append(l.owner, owner)
	return firstFile + len(l.files) - 1
}

func (l *launch) fail(err error) {
	if l.err == nil {
		l.err = err
	}
}

// CommandLine returns the arguments the machine is started with. File numbers in it are those the emulator inherits.
func (m *Machine) CommandLine() ([]string, error) {
	var l launch
	args := m.arguments(&l)
	return args, l.err
}

func (m *Machine) arguments(l *launch) []string {
	if m.Kernel == "" {
		l.fail(errors.New("machine: no kernel"))
	}
	board := m.Board
	if board == (Board{}) {
		board = MX6ULLEVK
	}
	if board != MX6ULLEVK && len(m.Ports) > 0 {
		l.fail(fmt.Errorf("machine: %s has no ports", board.Machine))
	}
	args := []string{"-M", board.Machine, "-cpu", board.CPU, "-m", board.Memory, "-kernel", m.Kernel,
		"-display", "none", "-monitor", "none"}
	if !m.Reboot {
		args = append(args, "-no-reboot")
	}
	if m.Emulator != nil && m.Emulator.Data != "" {
		args = append(args, "-L", m.Emulator.Data)
	}
	switch {
	case m.Console != "":
		chardev := "socket,id=serial0,server=on,wait=off,path=" + escape(m.Console)
		if m.Serial != "" {
			chardev += ",logfile=" + escape(m.Serial)
		}
		args = append(args, "-chardev", chardev, "-serial", "chardev:serial0")
	case m.Serial == "":
		args = append(args, "-serial", "null")
	default:
		args = append(args, "-chardev", "file,id=serial0,path="+escape(m.Serial), "-serial", "chardev:serial0")
	}
	if m.Icount != nil {
		args = append(args, "-icount", m.Icount.String(), "-seed", "1", "-rtc", "base="+BootTime+",clock=vm")
	}
	if len(m.Ports) == 0 {
		args = append(args, "-nic", "none")
	}
	for i := range m.Ports {
		args = append(args, m.Ports[i].arguments("net"+strconv.Itoa(i), l)...)
	}
	return append(args, m.Args...)
}

func (i Icount) String() string {
	sleep := "off"
	if i.Sleep {
		sleep = "on"
	}
	return fmt.Sprintf("shift=%d,sleep=%s", i.Shift, sleep)
}

// arguments orders the filters as a frame towards the guest meets them: it waits for its release, is stamped, and stops
// the clock. The reply meets the stamp only.
func (p *Port) arguments(id string, l *launch) []string {
	far := p.Net
	if far == nil {
		far = Unconnected{}
	}
	own := far.netdev(id, l)
	args := append(l.netdevs, "-netdev", own, "-net", "nic,netdev="+id)
	l.netdevs = nil
	if p.Release > 0 {
		args = append(args, "-object", fmt.Sprintf("filter-buffer,id=%s-release,netdev=%s,queue=tx,interval=%d",
			id, id, p.Release.Microseconds()))
	}
	if p.PCAP != "" {
		args = append(args, "-object", fmt.Sprintf("filter-dump,id=%s-dump,netdev=%s,queue=all,file=%s",
			id, id, escape(p.PCAP)))
	}
	if p.Barrier != nil {
		args = append(args, p.Barrier.arguments(id, l)...)
	}
	return args
}

// escape writes a value of a comma-separated option list.
func escape(value string) string { return strings.ReplaceAll(value, ",", ",,") }
