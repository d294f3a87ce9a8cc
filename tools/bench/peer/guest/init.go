package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// settings is what the kernel's command line says.
type settings struct {
	device   string           // PEER_DEVICE: the controller's name in the device tree, as sysfs has it
	own      netip.Prefix     // PEER_ADDRESS
	mac      net.HardwareAddr // PEER_MAC
	peer     netip.Addr       // PEER_NEIGHBOUR
	peerMAC  net.HardwareAddr // PEER_NEIGHBOUR_MAC
	load     bool             // PEER_LOAD=1
	threaded bool             // PEER_THREADED=1: NAPI in a thread
}

func readSettings(get func(string) string) (s settings, err error) {
	if s.device = get("PEER_DEVICE"); s.device == "" {
		return s, errors.New("PEER_DEVICE is not set")
	}
	if s.own, err = netip.ParsePrefix(get("PEER_ADDRESS")); err != nil {
		return s, fmt.Errorf("PEER_ADDRESS: %w", err)
	}
	if s.mac, err = net.ParseMAC(get("PEER_MAC")); err != nil {
		return s, fmt.Errorf("PEER_MAC: %w", err)
	}
	if s.peer, err = netip.ParseAddr(get("PEER_NEIGHBOUR")); err != nil {
		return s, fmt.Errorf("PEER_NEIGHBOUR: %w", err)
	}
	if s.peerMAC, err = net.ParseMAC(get("PEER_NEIGHBOUR_MAC")); err != nil {
		return s, fmt.Errorf("PEER_NEIGHBOUR_MAC: %w", err)
	}
	s.load, s.threaded = get("PEER_LOAD") == "1", get("PEER_THREADED") == "1"
	return s, nil
}

const (
	// Real-time priorities (sched(7)): the echo, below it what feeds it, below that init while it sets up under load.
	echoPriority  = 98
	irqPriority   = 97
	setupPriority = 50

	deviceTimeout = 20 * time.Second
	// loadSettles is how long the load runs before the guest answers anything.
	loadSettles = time.Second
)

// boot is what init does. The guest answers ARP when it is done: that is how the bench sees that all is there.
func boot() error {
	s, err := readSettings(os.Getenv)
	if err != nil {
		return err
	}
	if err := mounts(); err != nil {
		return err
	}
	if err := loadModules(); err != nil {
		return err
	}
	iface, err := findInterface(s.device)
	if err != nil {
		return err
	}
	// Real-time tasks may use all of the processor.
	if err := os.WriteFile("/proc/sys/kernel/sched_rt_runtime_us", []byte("-1"), 0); err != nil {
		return err
	}
	// Without the runtime's collector and its signals, which an echo needs as little as a C program does.
	bare := []string{"GODEBUG=asyncpreemptoff=1", "GOGC=off", "GOMAXPROCS=1"}
	if err := errors.Join(start(bare, "echo"), start(bare, "echo-slow")); err != nil {
		return err
	}
	if s.load {
		if err := startLoads(); err != nil {
			return err
		}
		time.Sleep(loadSettles)
	}
	if err := fifo(os.Getpid(), setupPriority); err != nil {
		return err
	}
	if err := s.up(iface); err != nil {
		return err
	}
	threads, err := raiseThreads(iface, s.device)
	if err != nil {
		return err
	}
	if s.load {
		go report()
	}
	fmt.Printf("peer: %s is up, %d interrupt threads at FIFO %d\n", iface, threads, irqPriority)
	return reap()
}

// reap takes the exit status of whatever ends, for ever.
func reap() error {
	for {
		_, err := unix.Wait4(-1, nil, 0, nil)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("wait: %w", err)
		}
	}
}

func mounts() error {
	for _, m := range []struct{ kind, on string }{
		{"proc", "/proc"}, {"sysfs", "/sys"}, {"devtmpfs", "/dev"}, {"tmpfs", "/tmp"},
	} {
		if err := unix.Mount(m.kind, m.on, m.kind, 0, ""); err != nil {
			return fmt.Errorf("mount %s: %w", m.on, err)
		}
	}
	return nil
}

// loadModules loads /modules in the order of their names, which is that of their dependencies.
func loadModules() error {
	modules, err := filepath.Glob("/modules/*.ko")
	if err != nil {
		return err
	}
	for _, path := range modules {
		image, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := unix.InitModule(image, ""); err != nil {
			return fmt.Errorf("load %s: %w", path, err)
		}
	}
	return nil
}

// findInterface waits for the controller's network interface: the kernel puts its probe off until what it depends on is
// there.
func findInterface(device string) (string, error) {
	for start := time.Now(); time.Since(start) < deviceTimeout; time.Sleep(10 * time.Millisecond) {
		found, err := filepath.Glob("/sys/bus/platform/devices/" + device + "/net/*")
		if err != nil {
			return "", err
		}
		if len(found) == 1 {
			return filepath.Base(found[0]), nil
		}
	}
	return "", fmt.Errorf("%s has no network interface after %v", device, deviceTimeout)
}

// raiseThreads gives the controller's interrupt threads and those of its NAPI their priority, and says how many there are:
// none but on PREEMPT_RT or with threaded NAPI.
func raiseThreads(iface, device string) (n int, err error) {
	comms, err := filepath.Glob("/proc/[0-9]*/comm")
	if err != nil {
		return 0, err
	}
	for _, path := range comms {
		comm, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		name := strings.TrimSpace(string(comm))
		if !feeds(name, iface, device) {
			continue
		}
		var pid int
		if _, err := fmt.Sscanf(path, "/proc/%d/comm", &pid); err != nil {
			return n, err
		}
		if err := fifo(pid, irqPriority); err != nil {
			return n, fmt.Errorf("%s: %w", name, err)
		}
		n++
	}
	return n, nil
}

// feeds reports whether a thread of this name brings the echo its frames. The kernel cuts names after 15 characters.
func feeds(name, iface, device string) bool {
	if strings.HasPrefix(name, "napi/"+iface+"-") {
		return true
	}
	rest, ok := strings.CutPrefix(name, "irq/")
	_, action, _ := strings.Cut(rest, "-")
	return ok && action != "" && strings.HasPrefix(device, action)
}

// fifo makes the thread's scheduling SCHED_FIFO.
func fifo(tid, priority int) error {
	attr := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: uint32(priority)}
	if err := unix.SchedSetAttr(tid, &attr, 0); err != nil {
		return fmt.Errorf("SCHED_FIFO %d: %w", priority, err)
	}
	return nil
}
