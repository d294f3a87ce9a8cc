package latency

import (
	"bytes"
	"net"
	"net/netip"
	"slices"
	"time"

	"mortise/tools/bench/plugin"
	"mortise/tools/packet"
	"mortise/tools/qemu"
)

// Guest is what a case boots in the place of the gateway's firmware, to compare with. It serves ENET2, whose PHY answers
// on its own MDIO bus in every QEMU, at GuestAddress.
type Guest struct {
	Kernel string
	Args   []string // the emulator's, for what else it boots from
	About  string   // what it is, with its version
	// Code is where the stores to TDAR are, as the guest sees its memory.
	Code []plugin.Range
}

// What a guest must be told.
var (
	GuestAddress = netip.MustParsePrefix("10.0.2.15/24")
	HostAddress  = netip.MustParseAddr("10.0.2.2")
	HostMAC      = net.HardwareAddr(peerMAC[:])
)

// tdar2 is TDAR of ENET2, which the guests serve.
const tdar2 = 0x020b4014

const (
	// A Linux kernel takes seconds until its network is up, and more under load. ARP requests are rare meanwhile.
	guestBootRounds = 40000
	guestAskEvery   = 256
	// guestTailRounds are enough for what a garbage collection holds up.
	guestTailRounds = 2000
	guestDeadline   = 15 * time.Minute
	guestWork       = 8000 // releases to boot, to warm up and to wait, about
)

// Names of the guests.
const (
	Linux          = "linux"
	LinuxLoaded    = "linux-loaded"
	LinuxRT        = "rt"
	LinuxRTLoaded  = "rt-loaded"
	LinuxRTThreads = "rt-threads" // loaded, NAPI in a thread
	Stock          = "stock"
	StockGC        = "stock-gc"
	StockSpin      = "stock-spin"
)

// kindLinux is the load of a Linux guest, of which it prints "load: rounds N".
const kindLinux Load = "rounds"

// PeerCases returns the rows of the peers. Nothing is demanded of them.
func PeerCases() []Case {
	base := Case{
		Shift: loadShift, Interval: loadInterval, Requests: loadRequests, Payload: requestPayload, Mode: Oob,
		Panel: "other guests", Median: unbounded, Spread: unbounded,
	}
	peer := func(guest, about string, change func(*Case)) Case {
		return base.with("peer-"+guest, about, func(c *Case) {
			c.Guest = guest
			change(c)
		})
	}
	loaded := func(c *Case) { c.Requests, c.Load = gcRequests, kindLinux }
	return []Case{
		peer(Linux, "Debian, idle", func(*Case) {}),
		peer(LinuxLoaded, "Debian, loaded", loaded),
		peer(LinuxRT, "Debian PREEMPT_RT, idle", func(*Case) {}),
		peer(LinuxRTLoaded, "Debian PREEMPT_RT, loaded", loaded),
		peer(LinuxRTThreads, "Debian PREEMPT_RT, loaded, flood 1 kpps, threaded NAPI", func(c *Case) {
			c.Requests, c.Load, c.Flood, c.Answered = gcRequests, kindLinux, 1, true
		}),
		peer(Stock, "stock TamaGo + gVisor, idle", func(c *Case) { c.Mode = Inband }),
		peer(StockGC, "stock TamaGo + gVisor, yielding GC churn", func(c *Case) {
			c.Mode, c.Load, c.Requests = Inband, kindGC, gcRequests
		}),
		peer(StockSpin, "stock TamaGo + gVisor, goroutines that do not yield", func(c *Case) {
			c.Mode, c.Load = Inband, kindSpin
		}),
	}
}

// ports returns where the session's wires are plugged in.
//
// What is sent to the firmware before it is up waits in QEMU. A guest must not find so much: Linux's driver hangs if the
// ring is full when the link comes up. So its virtual time goes by frames to ENET1, which it does not serve, and frames to
// ENET2 are released at the same instants.
func (s *session) ports(c *Case, capture string) []qemu.Port {
	own := qemu.Port{Net: s.wire, PCAP: capture, Release: c.release()}
	if s.clock == nil {
		own.Barrier = s.barrier
		return c.ports(own)
	}
	return []qemu.Port{{Net: s.clock, Release: c.release(), Barrier: s.barrier}, own}
}

// sendGuest sends the frames of a release to a guest, and what the release itself takes to ENET1, which it returns.
func (s *session) sendGuest(frames [][]byte) ([][]byte, error) {
	for _, frame := range frames {
		if bytes.HasPrefix(frame, packet.Nobody[:]) {
			continue
		}
		if err := s.wire.Send(frame); err != nil {
			return nil, err
		}
	}
	filler := s.peer.Filler()
	return [][]byte{filler}, s.clock.Send(filler)
}

// watch returns what the plugin has to watch in the guest: the stores to ENET2's TDAR.
func (g *Guest) watch(out string) plugin.Watch {
	return plugin.Watch{Out: out, Stores: []uint32{tdar2}, Code: g.Code}
}

// The limits of a session with the firmware or with a guest.
func (c *Case) bootRounds() int {
	if c.Mode == Rules && c.release() < loadInterval {
		return rulesBootRounds
	}
	return c.forGuest(bootRounds, guestBootRounds)
}
func (c *Case) askEvery() int   { return c.forGuest(askEvery, guestAskEvery) }
func (c *Case) tailRounds() int { return c.forGuest(tailRounds, guestTailRounds) }

func (c *Case) deadline() time.Duration {
	return time.Duration(c.forGuest(int(runDeadline), int(guestDeadline)))
}

func (c *Case) forGuest(own, guest int) int {
	if c.Guest == "" {
		return own
	}
	return guest
}

// PeersBeside returns the figures of peers to show beside cases: those that were taken once, but of peers that are not
// among the cases.
func PeersBeside(cases []Case) []Peer {
	if slices.ContainsFunc(cases, func(c Case) bool { return c.Guest != "" }) {
		return Peers()[:1] // the bare-metal floor
	}
	return Peers()
}

// About returns what the guests of cases are, each once.
func About(cases []Case, guests map[string]Guest) (about []string) {
	for _, c := range cases {
		if g, ok := guests[c.Guest]; ok && !slices.Contains(about, g.About) {
			about = append(about, g.About)
		}
	}
	return about
}
