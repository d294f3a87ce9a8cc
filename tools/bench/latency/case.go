package latency

import (
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// Load is what keeps in-band busy: "" for nothing, else a comma-separated list of kinds as in `make firmware LOAD=`.
type Load string

const (
	kindGC   Load = "gc"
	kindSpin Load = "spin"
)

// Case is one line of the table: what is sent, how often, to which firmware, and what is demanded.
type Case struct {
	Name     string
	About    string
	Load     Load
	Shift    int           // 2^Shift ns an instruction
	Interval time.Duration // between requests, virtual time
	Requests int
	VID      uint16
	Port     uint16
	Flood    bool  // a frame to in-band goes right ahead of each request, in the same release: the worst order
	Median   int64 // bound in instructions
	Spread   int64 // bound of maximum − median in instructions; unbounded if negative
}

const (
	echoPort   = 7    // RFC 862, answered in the oob stage
	inbandPort = 7777 // the echo of in-band, to compare with

	requestPayload = 64
	floodPayload   = 1000 - ipv4Size - udpSize // an IPv4 packet of 1000 bytes
	// One microsecond of the capture is one instruction at shift 10. The interval is long, at 1 MIPS, and no multiple
	// of anything periodic in the guest.
	fineShift    = 10
	fineInterval = 30011 * time.Microsecond
	fineRequests = 500

	loadShift    = 3 // 125 MIPS
	loadInterval = time.Millisecond
	loadRequests = 2000

	unbounded = -1
)

// Cases returns the first slice's figures to reach, in the order of the table.
func Cases() []Case {
	fine := Case{Shift: fineShift, Interval: fineInterval, Requests: fineRequests, Port: echoPort, Spread: 16}
	steady := Case{Shift: loadShift, Interval: loadInterval, Requests: loadRequests, Port: echoPort, Median: 625}
	return []Case{
		fine.with("oob", "oob echo, untagged, idle", func(c *Case) { c.Median = 600 }),
		fine.with("oob-vlan", "oob echo, VLAN 42, idle", func(c *Case) { c.Median, c.VID = 650, 42 }),
		steady.with("oob-gc", "oob echo, LOAD=gc", func(c *Case) { c.Load, c.Spread = kindGC, 250 }),
		steady.with("oob-spin", "oob echo, LOAD=spin", func(c *Case) { c.Load, c.Spread = kindSpin, 250 }),
		steady.with("oob-gc-flood", "oob echo, LOAD=gc, flood", func(c *Case) {
			c.Load, c.Spread, c.Flood = kindGC, 1500, true
		}),
		steady.with("oob-spin-flood", "oob echo, LOAD=spin, flood", func(c *Case) {
			c.Load, c.Spread, c.Flood = kindSpin, 1500, true
		}),
		steady.with("inband", "in-band echo, idle", func(c *Case) {
			c.Port, c.Median, c.Spread = inbandPort, 92000, unbounded
		}),
		// Not of the table: the flood's cost to one instruction, which a microsecond at shift 3 is too coarse for. The
		// bound is what was measured when it was written (719, QEMU 7.2 and 10.0, 2026-11-22).
		fine.with("oob-flood", "oob echo, flood, idle", func(c *Case) { c.Median, c.Spread, c.Flood = 725, 1500, true }),
	}
}

func (c Case) with(name, about string, change func(*Case)) Case {
	c.Name, c.About = name, about
	change(&c)
	return c
}

func (c *Case) loaded(kind Load) bool {
	for _, k := range strings.Split(string(c.Load), ",") {
		if Load(k) == kind {
			return true
		}
	}
	return false
}

// peer returns the host's addresses for the case, which match those of the default gateway.toml.
func (c *Case) peer() peer {
	p := peer{mac: peerMAC, vid: c.VID, port: c.Port}
	net := byte(c.VID)
	p.addr, p.guest = netip.AddrFrom4([4]byte{10, 0, net, 2}), netip.AddrFrom4([4]byte{10, 0, net, 1})
	return p
}

// frames returns what is released together for one request.
func (c *Case) frames(s *session, kind stream, sequence uint32) [][]byte {
	request := s.peer.udp(s.guest, s.peer.port, payload(kind, sequence, requestPayload))
	if !c.Flood {
		return [][]byte{request}
	}
	other := s.peer.udp(s.guest, inbandPort, payload(flood, sequence, floodPayload))
	return [][]byte{other, request}
}

// Check compares a result with the case's bounds and returns what was missed, a line each.
func (c *Case) Check(r *Result) (missed []string) {
	miss := func(format string, args ...any) { missed = append(missed, fmt.Sprintf(format, args...)) }
	s := &r.Statistics
	if s.Requests != c.Requests {
		miss("%d requests entered the NIC, want %d", s.Requests, c.Requests)
	}
	if s.Lost > 0 {
		miss("%d of %d requests lost, want none", s.Lost, s.Requests)
	}
	if r.Duplicates > 0 {
		miss("%d replies too many, want none", r.Duplicates)
	}
	if r.Garbled > 0 {
		miss("%d replies with a wrong length or checksum, want none", r.Garbled)
	}
	if s.Median > c.Median {
		miss("median %d instructions, want at most %d", s.Median, c.Median)
	}
	if c.Spread != unbounded && s.Max-s.Median > c.Spread {
		miss("maximum %d instructions, want at most median + %d", s.Max, c.Spread)
	}
	if c.loaded(kindGC) && r.GCAfter <= r.GCBefore {
		miss("garbage collections %d before and %d after, want more", r.GCBefore, r.GCAfter)
	}
	return missed
}
