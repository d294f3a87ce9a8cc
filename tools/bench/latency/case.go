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
	kindGC    Load = "gc"
	kindSpin  Load = "spin"
	kindPrint Load = "print"
)

// Case is one line of the table: what is sent, how often, to which firmware, and what is demanded.
type Case struct {
	Name     string
	About    string
	Guest    string // who is measured in the place of the firmware: a name in Config.Guests
	Load     Load
	Shift    int           // 2^Shift ns an instruction
	Interval time.Duration // between requests, virtual time
	Requests int
	Payload  int // bytes of UDP payload in a request
	VID      uint16
	Port     uint16
	Flood    int   // frames to in-band a request, evenly spaced, one right ahead of it, in the same release: the worst order
	Bulk     bool  // TCP in bulk to in-band, on the other port
	Rare     bool  // the maximum is that of a few requests, which meet another activation: it depends on in-band's phase
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
	loadRequests = 1000
	gcRequests   = 2500 // a collection takes most of a second, and the guest tells once a second

	// 50,000 flood frames a second cost the host as many releases. Ten thousand requests a second among them find the
	// rare moment when another activation is ahead of theirs, within a run that is short enough.
	heavyInterval = 100 * time.Microsecond
	heavyRequests = 1000

	unbounded = -1
	quiet     = 16   // the spread where the load causes no activation of the oob stage (the figures)
	flooded   = 1000 // the spread where it does: no more than the activations that a request may have to wait for
)

// Cases returns the rows that make test holds to: the figures to reach, and to the golden table.
func Cases() []Case {
	steady := Case{
		Shift: loadShift, Interval: loadInterval, Requests: loadRequests, Payload: requestPayload, Port: echoPort,
		Median: 400, Spread: quiet,
	}
	return []Case{
		// The one figure that does not need the plugin, to hold against the next one's.
		steady.with("oob-fine", "oob echo, idle, shift 10", func(c *Case) {
			c.Shift, c.Interval, c.Requests = fineShift, fineInterval, fineRequests
		}),
		steady.with("oob", "oob echo, idle", func(*Case) {}),
		steady.with("oob-vlan", "oob echo, VLAN 42, idle", func(c *Case) { c.VID = 42 }),
		steady.with("oob-1472", "oob echo, 1,472 bytes, idle", func(c *Case) { c.Median, c.Payload = unbounded, 1472 }),
		steady.with("oob-gc", "oob echo, LOAD=gc", func(c *Case) { c.Load, c.Requests = kindGC, gcRequests }),
		steady.with("oob-spin", "oob echo, LOAD=spin", func(c *Case) { c.Load = kindSpin }),
		steady.with("oob-print", "oob echo, console output", func(c *Case) { c.Load = kindPrint }),
		steady.with("oob-tcp", "oob echo, TCP bulk on lan0", func(c *Case) { c.Bulk = true }),
		// In-band answers the flood, each answer kicks the oob stage, and a request may meet the kick.
		steady.with("oob-flood", "oob echo, flood 1 kpps", func(c *Case) {
			c.Flood, c.Rare, c.Median, c.Spread = 1, true, 625, flooded
		}),
		steady.with("oob-gc-flood", "oob echo, LOAD=gc, flood 1 kpps", func(c *Case) {
			c.Load, c.Requests, c.Flood, c.Rare, c.Median, c.Spread = kindGC, gcRequests, 1, true, 625, flooded
		}),
		steady.with("oob-spin-flood", "oob echo, LOAD=spin, flood 1 kpps", func(c *Case) {
			c.Load, c.Flood, c.Rare, c.Median, c.Spread = kindSpin, 1, true, 625, flooded
		}),
		steady.with("oob-flood50", "oob echo, flood 50 kpps", func(c *Case) {
			c.Flood, c.Interval, c.Requests, c.Rare, c.Median, c.Spread = 5, heavyInterval, heavyRequests, true, 625, flooded
		}),
		steady.with("inband", "in-band echo, idle", func(c *Case) {
			c.Port, c.Median, c.Spread = inbandPort, 92000, unbounded
		}),
	}
}

// loads of the full matrix. "all at once" leaves out spin, whose goroutines keep every other load from running.
var matrixLoads = []struct {
	name, about string
	load        Load
	flood       int // frames a request
	heavy       bool
	bulk        bool
}{
	{"idle", "idle", "", 0, false, false},
	{"gc", "LOAD=gc", kindGC, 0, false, false},
	{"spin", "LOAD=spin", kindSpin, 0, false, false},
	{"print", "console output", kindPrint, 0, false, false},
	{"tcp", "TCP bulk on lan0", "", 0, false, true},
	{"flood1", "flood 1 kpps", "", 1, false, false},
	{"flood10", "flood 10 kpps", "", 10, false, false},
	{"flood50", "flood 50 kpps", "", 5, true, false},
	{"all", "LOAD=gc,print, TCP bulk, flood 10 kpps", "gc,print", 10, false, true},
}

// Matrix returns the full matrix: each load with each size of request, tagged and not, and in-band's echo to compare with.
func Matrix() (cases []Case) {
	for _, l := range matrixLoads {
		base := Case{
			Load: l.load, Flood: l.flood, Bulk: l.bulk, Shift: loadShift, Interval: loadInterval, Requests: loadRequests,
			Port: echoPort, Median: unbounded, Spread: quiet,
		}
		if l.flood > 0 {
			base.Spread = flooded
		}
		if l.heavy {
			base.Interval, base.Requests = heavyInterval, heavyRequests
		}
		if base.loaded(kindGC) {
			base.Requests = gcRequests
		}
		for _, size := range []int{64, 512, 1472} {
			name, about := fmt.Sprintf("m-%s-%d", l.name, size), fmt.Sprintf("oob echo, %d bytes, %s", size, l.about)
			cases = append(cases,
				base.with(name, about, func(c *Case) { c.Payload = size }),
				base.with(name+"-vlan", about+", VLAN 42", func(c *Case) { c.Payload, c.VID = size, 42 }))
		}
		if l.load == kindSpin || strings.Contains(string(l.load), ",") {
			continue // in-band answers next to nothing
		}
		cases = append(cases, base.with("m-"+l.name+"-inband", "in-band echo, 64 bytes, "+l.about, func(c *Case) {
			c.Payload, c.Port, c.Spread = requestPayload, inbandPort, unbounded
		}))
	}
	return cases
}

func (c Case) with(name, about string, change func(*Case)) Case {
	c.Name, c.About = name, about
	change(&c)
	return c
}

// exact reports whether the plugin tells the case's latencies. At shift 10 the capture does.
func (c *Case) exact() bool { return c.Shift < fineShift }

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
	if c.Guest != "" {
		p.addr, p.guest = HostAddress, GuestAddress.Addr()
		return p
	}
	net := byte(c.VID)
	p.addr, p.guest = netip.AddrFrom4([4]byte{10, 0, net, 2}), netip.AddrFrom4([4]byte{10, 0, net, 1})
	return p
}

// noise returns who sends the flood: it is untagged always, for in-band has no port in the VLAN.
func (c *Case) noise() peer { return (&Case{Port: inbandPort, Guest: c.Guest}).peer() }

// flows reports whether TCP in bulk must be seen to get through: goroutines that do not yield may starve it.
func (c *Case) flows() bool { return c.Bulk && c.Load == "" }

// release is how often frames enter the NIC.
func (c *Case) release() time.Duration { return c.Interval / time.Duration(max(c.Flood, 1)) }

// Work is about how long the case takes, in releases of frames.
func (c *Case) Work() int {
	const boot = 500 // to boot and to warm up
	return c.forGuest(boot, guestWork) + c.Requests*max(c.Flood, 1)
}

// frames returns what is sent for one request, an item for each release.
func (c *Case) frames(s *session, kind stream, sequence uint32) [][][]byte {
	request := s.peer.udp(s.guest, s.peer.port, payload(kind, sequence, c.Payload))
	if c.Flood == 0 {
		return [][][]byte{{request}}
	}
	var releases [][][]byte
	for i := range c.Flood {
		other := s.noise.udp(s.guest, inbandPort, payload(flood, sequence*uint32(c.Flood)+uint32(i), floodPayload))
		releases = append(releases, [][]byte{other})
	}
	releases[0] = append(releases[0], request)
	return releases
}

// Check compares a result with the case's bounds and returns what was missed, a line each.
func (c *Case) Check(r *Result) (missed []string) {
	miss := func(format string, args ...any) { missed = append(missed, fmt.Sprintf(format, args...)) }
	s := &r.Statistics
	if s.Requests != c.Requests {
		miss("%d requests entered the NIC, want %d", s.Requests, c.Requests)
	}
	if s.Lost > 0 && c.Guest == "" && (c.Port == echoPort || c.Load == "" && c.Flood == 0 && !c.Bulk) {
		miss("%d of %d requests lost, want none", s.Lost, s.Requests)
	}
	if r.Duplicates > 0 {
		miss("%d replies too many, want none", r.Duplicates)
	}
	if r.Garbled > 0 {
		miss("%d replies with a wrong length or checksum, want none", r.Garbled)
	}
	if c.Median != unbounded && s.Median > c.Median {
		miss("median %d instructions, want at most %d", s.Median, c.Median)
	}
	if spread := c.spread(r); c.Spread != unbounded && s.Max-s.Median > spread {
		miss("maximum %d instructions, want at most median + %d", s.Max, spread)
	}
	// With other loads beside it a collection takes longer than the case: that one was seen before it began must do.
	if c.Load == kindLinux && r.GCAfter <= r.GCBefore {
		miss("rounds of the load %d before and %d after, want more", r.GCBefore, r.GCAfter)
	}
	if c.Load == kindGC && r.GCAfter <= r.GCBefore {
		miss("garbage collections %d before and %d after, want more", r.GCBefore, r.GCAfter)
	}
	if c.flows() && r.Bulk.Bytes == 0 {
		miss("no TCP data acknowledged on lan0, want some")
	}
	return missed
}

// spread returns the bound as far as the measurement can tell: one that is finer than its resolution is the resolution.
func (c *Case) spread(r *Result) int64 { return max(c.Spread, r.Resolution) }
