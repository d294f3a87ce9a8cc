package main_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"mortise/stack/wire"
	"mortise/stack/wire/wiretest"
)

// TestLinuxPeer: the oob stage and Linux's own stack understand each other on the VLAN: ARP, ping, datagrams whole and in fragments, both ways.
func TestLinuxPeer(t *testing.T) { inModes(t, testLinuxPeer) }

func testLinuxPeer(t *testing.T, m mode) {
	t.Parallel()
	host := startHost(t, netip.PrefixFrom(netip.AddrFrom4(vlanPeer), 24))
	r := bootImage(t, m.tasksImage(t, "socktest"), options{})
	host.plug(t, r, vlan)
	mtu := m.mtu()
	if _, err := host.run("ip", "link", "set", "gw0", "mtu", fmt.Sprint(mtu)); err != nil {
		t.Fatal(err)
	}

	gateway := netip.AddrFrom4(vlanIP)
	ping, err := host.dial("ip4:icmp", gateway.String())
	if err != nil {
		t.Fatal(err)
	}
	request := append([]byte{8, 0, 0, 0, 0, 7, 0, 1}, "are you there"...)
	sum := wire.Checksum(request, 0)
	request[2], request[3] = byte(sum>>8), byte(sum)
	reply := bytes.Clone(request)
	reply[0], reply[2] = 0, reply[2]+8
	// The first one waits in Linux until it knows the gateway's address, by ARP.
	if got := exchanged(t, ping, request); !bytes.Equal(got[min(len(got), 20):], reply) { // behind the IPv4 header
		t.Errorf("ping: % x, want % x", got, reply)
	}

	for _, c := range []struct {
		who  string
		port uint16
		most int
	}{{"the companion core", 7, mtu - 28}, {"the task", taskEcho, 65507}, {"a goroutine", connEcho, 65507}} {
		conn, err := host.dial("udp4", netip.AddrPortFrom(gateway, c.port).String())
		if err != nil {
			t.Fatal(err)
		}
		for _, size := range []int{1, mtu - 28, mtu - 27, 2953, 8192, 65507} {
			if size > c.most {
				break
			}
			want := wiretest.Payload(size, byte(size))
			var got []byte
			for tries := 0; tries < 3 && got == nil; tries++ { // a busy host may take longer for the fragments than the second that the stage waits
				got = exchanged(t, conn, want)
			}
			if c.port == taskEcho {
				want[size-1]++
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s: %d bytes came back as %d, or others", c.who, size, len(got))
			}
		}
	}
	if known, err := host.run("ip", "neigh", "show", gateway.String()); err != nil || !strings.Contains(known, net.HardwareAddr(r.mac[:]).String()) {
		t.Errorf("Linux knows the gateway as %q (%v), want %v", known, err, net.HardwareAddr(r.mac[:]))
	}
}

// exchanged sends a message and returns what comes back; nil: nothing does.
func exchanged(t *testing.T, c net.Conn, message []byte) []byte {
	t.Helper()
	if _, err := c.Write(message); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 1<<16)
	_ = c.SetReadDeadline(time.Now().Add(replyLimit))
	n, err := c.Read(b)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return b[:n]
}

// linuxHost is this machine's network stack with nothing but a cable, in a namespace of its own.
type linuxHost struct {
	tap   *os.File
	tasks chan func() // what the thread that is in the namespace is to do
}

// startHost makes a host with an address. It skips the test where that is not allowed.
func startHost(t *testing.T, address netip.Prefix) *linuxHost {
	t.Helper()
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip(err)
	}
	h := &linuxHost{tasks: make(chan func())}
	failed := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		err := unix.Unshare(unix.CLONE_NEWNET)
		failed <- err
		for f := range h.tasks {
			f()
		}
	}()
	t.Cleanup(func() { close(h.tasks) })
	err := <-failed
	if err == nil {
		err = h.openTap("gw0")
	}
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) {
		t.Skipf("no network namespace with a cable: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.tap.Close() })
	for _, args := range [][]string{{"addr", "add", address.String(), "dev", "gw0"}, {"link", "set", "gw0", "up"}} {
		if out, err := h.run("ip", args...); err != nil {
			t.Fatalf("ip %v: %v: %s", args, err, out)
		}
	}
	return h
}

// do runs f in the namespace.
func (h *linuxHost) do(f func()) {
	done := make(chan struct{})
	h.tasks <- func() { f(); close(done) }
	<-done
}

func (h *linuxHost) openTap(name string) (err error) {
	h.do(func() {
		var fd int
		if fd, err = unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0); err != nil {
			return
		}
		ifr, _ := unix.NewIfreq(name)
		ifr.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
		if err = unix.IoctlIfreq(fd, unix.TUNSETIFF, ifr); err != nil {
			unix.Close(fd)
			return
		}
		h.tap = os.NewFile(uintptr(fd), name)
	})
	return err
}

// run runs a command in the namespace.
func (h *linuxHost) run(name string, args ...string) (out string, err error) {
	h.do(func() {
		var b []byte
		b, err = exec.Command(name, args...).CombinedOutput()
		out = string(b)
	})
	return out, err
}

// dial opens a socket in the namespace.
func (h *linuxHost) dial(network, to string) (c net.Conn, err error) {
	h.do(func() { c, err = net.Dial(network, to) })
	return c, err
}

// plug joins the host's cable and rt0's, where its frames have the VLAN's tag.
func (h *linuxHost) plug(t *testing.T, r *rig, vid uint16) {
	tag := []byte{0x81, 0, byte(vid >> 8), byte(vid)}
	stop, ended := make(chan struct{}), make(chan error, 2)
	go func() {
		b := make([]byte, 2048)
		for {
			n, err := h.tap.Read(b)
			if errors.Is(err, os.ErrClosed) {
				ended <- nil
				return
			}
			if err == nil && n >= 14 {
				f := append(append(bytes.Clone(b[:12]), tag...), b[12:n]...)
				err = r.rt.Send(append(f, make([]byte, max(wire.MinLen-len(f), 0))...))
			}
			if err != nil {
				ended <- fmt.Errorf("from Linux: %w", err)
				return
			}
		}
	}()
	go func() {
		for {
			select {
			case <-stop:
				ended <- nil
				return
			default:
			}
			b, err := r.rt.Receive(quiet)
			if err != nil || len(b) < 18 || !bytes.Equal(b[12:16], tag) {
				continue
			}
			if _, err := h.tap.Write(append(bytes.Clone(b[:12]), b[16:]...)); err != nil {
				ended <- fmt.Errorf("to Linux: %w", err)
				return
			}
		}
	}()
	t.Cleanup(func() {
		close(stop)
		h.tap.Close()
		for range 2 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	})
}
