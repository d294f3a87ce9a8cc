package latency

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"mortise/tools/packet"
	"mortise/tools/qemu"
)

// Load is what keeps in-band busy: "" for nothing, else a comma-separated list of kinds as in `make firmware LOAD=`.
type Load string

const (
	kindGC     Load = "gc"
	kindSpin   Load = "spin"
	kindPrint  Load = "print"
	kindReload Load = "reload"
	kindSend   Load = "send"
	kindFilter Load = "filter"                    // no load at all: a filter program judges what comes in
	kindAll    Load = "gc,spin,print,reload,send" // all at once
)

// Mode is how a device's traffic is served.
type Mode string

// Modes. The mode is a property of the case: what is sent follows from it.
const (
	Oob         Mode = "oob"     // by the oob stage, over an oob-capable driver
	Socket      Mode = "socket"  // by an oob task with a socket (tasks/sockecho)
	Inband      Mode = "in-band" // by gVisor
	Task        Mode = "task"    // not at all: what is measured is a timer and the oob task that it starts
	Rules       Mode = "forward" // by a rule, which sends it on to lan0
	StockDriver Mode = "stock"   // by the oob stage, over a stock driver: not real-time
)

// Case is one line of the table: what is sent, how often, to which firmware, and what is demanded.
type Case struct {
	Name     string
	About    string
	Panel    string // of the plot, by its title
	Guest    string // who is measured in the place of the firmware: a name in Config.Guests
	Rules    string // of a case of mode Rules: which, by the firmware's name
	Mode     Mode   // of the firmware; a guest is asked at the mode's port, however it serves it
	Load     Load
	Shift    int           // 2^Shift ns an instruction
	Interval time.Duration // between requests, virtual time
	Requests int
	Payload  int // bytes of UDP payload in a request
	VID      uint16
	Flood    int   // frames to in-band a request, evenly spaced, one right ahead of it, in the same release: the worst order
	Answered bool  // in-band answers the flood's frames, and kicks the oob stage for each
	Bulk     bool  // TCP in bulk to in-band, on the other port
	Beside   bool  // the task of the task cases, and its timer, run beside
	Median   int64 // bound in instructions
	Spread   int64 // bound of maximum − median in instructions; unbounded if negative
}

const (
	echoPort   = 7    // RFC 862, answered in the oob stage
	socketPort = 7007 // tasks/sockecho
	inbandPort = 7777 // the echo of in-band, to compare with
	// silentPort is a source port to which in-band's echo sends nothing: that of a service that answers whatever it gets
	// (discard, RFC 863). In-band takes such a frame as far as any other, to its echo, and then drops it.
	silentPort = 9

	requestPayload = 64
	floodPayload   = 1000 - packet.IPv4Size - packet.UDPSize // an IPv4 packet of 1000 bytes
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
	// crowded is the spread where TCP in bulk goes by the oob stage, to and from another port: an activation then moves up to 16
	// frames of in-band's and 32 for it.
	crowded   = 16000
	taskBound = 150  // the maximum from a timer's expiry to its task
	taskAhead = 1500 // what is kept clear ahead of its expiries (tasks/latency): 12 µs
)

// Cases returns the rows that make test holds to: the figures to reach, and to the golden table.
//
// A maximum can be compared with the golden table only if it is that of the same event in every image. So the flood of
// these rows is one that in-band does not answer: when an answer's kick comes depends on how long in-band takes, and whether
// a request of a thousand meets it is chance. What meeting a kick costs is measured where it is certain: with LOAD=send
// in-band kicks tens of thousands of times a second, at all phases, and hundreds of requests come in the midst of one.
func Cases() []Case {
	steady := Case{
		Mode: Oob, Shift: loadShift, Interval: loadInterval, Requests: loadRequests, Payload: requestPayload,
		Median: 400, Spread: quiet,
	}
	task := steady.with("", "", func(c *Case) { c.Mode, c.Median = Task, taskBound-quiet })
	socket := steady.with("", "", func(c *Case) { c.Mode, c.VID, c.Median = Socket, 42, 900 })
	rules := steady.with("", "", func(c *Case) { c.Mode, c.Payload, c.Median = Rules, smallest, 400 })
	cases := []Case{
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
		steady.with("oob-reload", "oob echo, configuration reload", func(c *Case) {
			c.Load, c.Requests = kindReload, gcRequests
		}),
		steady.with("oob-flood", "oob echo, flood 1 kpps", func(c *Case) {
			c.Flood, c.Median, c.Spread = 1, 625, flooded
		}),
		steady.with("oob-gc-flood", "oob echo, LOAD=gc, flood 1 kpps", func(c *Case) {
			c.Load, c.Requests, c.Flood, c.Median, c.Spread = kindGC, gcRequests, 1, 625, flooded
		}),
		steady.with("oob-flood50", "oob echo, flood 50 kpps", func(c *Case) {
			c.Flood, c.Interval, c.Requests, c.Median, c.Spread = 5, heavyInterval, heavyRequests, 625, flooded
		}),
		steady.with("oob-send", "oob echo, in-band sends on rt0", func(c *Case) { c.Load, c.Spread = kindSend, flooded }),
		steady.with("oob-send-flood50", "oob echo, in-band sends on rt0, flood 50 kpps", func(c *Case) {
			c.Load, c.Flood, c.Answered, c.Interval, c.Requests = kindSend, 5, true, heavyInterval, heavyRequests
			c.Median, c.Spread = 625, flooded
		}),
		steady.with("oob-all", "oob echo, all loads at once", func(c *Case) {
			c.Load, c.Bulk, c.Flood, c.Answered, c.Requests = kindAll, true, 1, true, gcRequests
			c.Median, c.Spread = 625, flooded
		}),
		steady.with("oob-task", "oob echo, beside a timer's task that is kept clear", func(c *Case) {
			c.Beside, c.Spread = true, taskAhead+flooded
		}),
		steady.with("oob-filter", "oob echo, behind a filter program of 22 instructions", func(c *Case) {
			c.Load, c.Median = kindFilter, 400+700
		}),
		socket.with("socket", "echo by a task's socket, VLAN 42, idle", func(*Case) {}),
		socket.with("socket-gc", "echo by a task's socket, VLAN 42, LOAD=gc", func(c *Case) { c.Load, c.Requests = kindGC, gcRequests }),
		task.with("task", "timer to oob task, idle", func(*Case) {}),
		task.with("task-gc", "timer to oob task, LOAD=gc", func(c *Case) { c.Load, c.Requests = kindGC, gcRequests }),
		task.with("task-spin", "timer to oob task, LOAD=spin", func(c *Case) { c.Load = kindSpin }),
		task.with("task-print", "timer to oob task, console output", func(c *Case) { c.Load = kindPrint }),
		task.with("task-all", "timer to oob task, all loads at once", func(c *Case) {
			c.Load, c.Bulk, c.Flood, c.Answered, c.Requests = kindAll, true, 1, true, gcRequests
		}),
		task.with("task-send", "timer to oob task, in-band sends on rt0", func(c *Case) { c.Load = kindSend }),
		task.with("task-flood50", "timer to oob task, flood 50 kpps", func(c *Case) {
			c.Flood, c.Answered, c.Interval, c.Requests = 5, true, heavyInterval, 2*heavyRequests
		}),
		rules.with("forward-gc", "forward rt0 to lan0, one rule, LOAD=gc", func(c *Case) {
			c.Rules, c.Load, c.Requests = oneRule, kindGC, gcRequests
		}),
		rules.with("forward-64-spin", "forward rt0 to lan0, 64 rules, LOAD=spin", func(c *Case) {
			c.Rules, c.Load, c.Median = manyRules, kindSpin, 650
		}),
		rules.with("forward-gc-flood", "forward rt0 to lan0, one rule, LOAD=gc, flood 1 kpps", func(c *Case) {
			c.Rules, c.Load, c.Requests, c.Flood, c.Median, c.Spread = oneRule, kindGC, gcRequests, 1, 690, flooded
		}),
		steady.with("inband", "in-band echo, idle", func(c *Case) {
			c.Mode, c.Median, c.Spread = Inband, 92000, unbounded
		}),
	}
	for i := range cases {
		cases[i].Panel = cases[i].panel()
	}
	return cases
}

// held reports whether the maximum is that of what meets the hold ahead of a timer's expiry, at a phase that is another one in each
// image: it is bound to a few instructions by Check, and nothing to compare with the golden table.
func (c *Case) held() bool { return c.Mode == Task && c.activates() || c.Beside }

// panel says what the published cases are plotted with.
func (c *Case) panel() string {
	switch {
	case c.Mode == Inband:
		return "in-band"
	case c.Mode == StockDriver:
		return stockPanel
	case c.Mode == Task:
		return "from a timer to its oob task"
	case c.Mode == Rules:
		return "forwarded from rt0 to lan0"
	case c.activates():
		return "oob; the load has the oob stage run, too"
	}
	return "oob; the load is in-band's alone"
}

// loads of the full matrix.
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
	{"reload", "configuration reload", kindReload, 0, false, false},
	{"flood1", "flood 1 kpps", "", 1, false, false},
	{"flood10", "flood 10 kpps", "", 10, false, false},
	{"flood50", "flood 50 kpps", "", 5, true, false},
	{"send", "in-band sends on rt0", kindSend, 0, false, false},
	{"all", "all at once, flood 10 kpps", kindAll, 10, false, true},
}

// Matrix returns the full matrix: each load with each size of request, tagged and not, and in-band's echo to compare with.
func Matrix() (cases []Case) {
	for _, l := range matrixLoads {
		base := Case{
			Panel: "oob, " + l.about, Mode: Oob, Load: l.load, Flood: l.flood, Answered: true, Bulk: l.bulk, Shift: loadShift, Interval: loadInterval,
			Requests: loadRequests, Median: unbounded, Spread: quiet,
		}
		if base.activates() {
			base.Spread = flooded
		}
		if l.heavy {
			base.Interval, base.Requests = heavyInterval, heavyRequests
		}
		if base.loaded(kindGC) && l.flood == 0 || base.loaded(kindReload) && l.flood == 0 {
			base.Requests = gcRequests
		}
		for _, size := range []int{64, 512, 1472} {
			name, about := fmt.Sprintf("m-%s-%d", l.name, size), fmt.Sprintf("oob echo, %d bytes, %s", size, l.about)
			cases = append(cases,
				base.with(name, about, func(c *Case) { c.Payload = size }),
				base.with(name+"-vlan", about+", VLAN 42", func(c *Case) { c.Payload, c.VID = size, 42 }))
		}
		cases = append(cases, base.with("m-"+l.name+"-task", "timer to oob task, "+l.about, func(c *Case) {
			c.Panel, c.Payload, c.Mode, c.Median = "from a timer to its oob task", requestPayload, Task, taskBound-quiet
			c.Spread = quiet
		}))
		for _, rules := range []string{byType, oneRule, manyRules} {
			about := map[string]string{byType: "one rule by EtherType", oneRule: "one rule", manyRules: "64 rules"}[rules]
			if rules == byType && l.load != "" {
				continue // takes an image of its own for each load
			}
			cases = append(cases, base.with("m-"+l.name+"-forward-"+rules, "forward rt0 to lan0, "+about+", "+l.about, func(c *Case) {
				c.Panel, c.Payload, c.Mode, c.Rules = "forwarded from rt0 to lan0", smallest, Rules, rules
				if c.Bulk {
					c.Spread = crowded
				}
			}))
		}
		if base.loaded(kindSpin) {
			continue // in-band answers next to nothing
		}
		cases = append(cases, base.with("m-"+l.name+"-stock", "oob echo, stock driver, not real-time, 64 bytes, "+l.about, func(c *Case) {
			c.Panel, c.Payload, c.Mode, c.Spread = stockPanel, requestPayload, StockDriver, unbounded
		}))
		cases = append(cases, base.with("m-"+l.name+"-inband", "in-band echo, 64 bytes, "+l.about, func(c *Case) {
			c.Panel, c.Payload, c.Mode, c.Spread = "in-band", requestPayload, Inband, unbounded
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

// loaded reports whether kind is part of the case's load.
func (c *Case) loaded(kind Load) bool { return slices.Contains(c.Load.kinds(), kind) }

func (l Load) kinds() (kinds []Load) {
	for _, k := range strings.Split(string(l), ",") {
		kinds = append(kinds, Load(k))
	}
	return kinds
}

// activates reports whether the load has the oob stage run for something else than requests, or the timer. Rules divert lan0,
// too: what comes in there then goes by the oob stage.
func (c *Case) activates() bool {
	return c.Flood > 0 || c.loaded(kindSend) || c.Bulk && (c.Mode == Task || c.Mode == Rules) || c.Beside
}

// port returns the UDP port that the requests go to.
func (c *Case) port() uint16 {
	switch c.Mode {
	case Oob, StockDriver:
		return echoPort
	case Socket:
		return socketPort
	}
	return inbandPort
}

// Image returns the firmware of the case: its load, and in front of it, and of a plus, the oob tasks in it, or stockImage.
func (c *Case) Image() Load {
	switch {
	case c.Mode == Task || c.Beside:
		return "latency+" + c.Load
	case c.Mode == Socket:
		return "sockecho+" + c.Load
	case c.Mode == Rules:
		return Load(rulesPrefix+c.Rules) + "+" + c.Load
	case c.Mode == StockDriver:
		return stockImage + "+" + c.Load
	}
	return c.Load
}

// aside reports whether frames come over lan0, which is in-band's: the oob stage does not run for them.
func (c *Case) aside() bool { return c.Mode == Task && !c.activates() }

// ports plugs the host in.
func (c *Case) ports(measured qemu.Port) []qemu.Port {
	if c.aside() {
		return []qemu.Port{{Net: qemu.Unconnected{}}, measured}
	}
	return []qemu.Port{measured}
}

// peer returns the host's addresses for the case, which match those of the default gateway.toml.
func (c *Case) peer() peer {
	p := peer{Link: packet.Link{MAC: peerMAC, VID: c.VID}, port: c.port(), source: sourcePort}
	if c.Guest != "" {
		p.Addr, p.Peer = HostAddress, GuestAddress.Addr()
		return p
	}
	net := byte(c.VID)
	p.Addr, p.Peer = netip.AddrFrom4([4]byte{10, 0, net, 2}), netip.AddrFrom4([4]byte{10, 0, net, 1})
	if c.Mode == Task {
		p.source = silentPort // nothing is asked: what is sent lets time pass
	}
	if c.aside() {
		p.Addr, p.Peer = netip.AddrFrom4([4]byte{10, 0, 2, 2}), netip.AddrFrom4([4]byte{10, 0, 2, 15})
	}
	return p
}

// noise returns who sends the flood: it is untagged always, for in-band has no port in the VLAN.
func (c *Case) noise() peer {
	p := (&Case{Mode: Inband, Guest: c.Guest}).peer()
	if !c.Answered {
		p.source = silentPort
	}
	return p
}

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
	request := c.request(s, payload(kind, sequence, c.Payload))
	if c.Flood == 0 {
		return [][][]byte{{request}}
	}
	var releases [][][]byte
	for i := range c.Flood {
		other := s.noise.request(s.guest, payload(flood, sequence*uint32(c.Flood)+uint32(i), floodPayload))
		releases = append(releases, [][]byte{other})
	}
	releases[0] = append(releases[0], request)
	return releases
}

// request returns the frame that asks for what is measured.
func (c *Case) request(s *session, payload []byte) []byte {
	if c.Mode == Rules {
		return crossing(c.Rules, payload)
	}
	return s.peer.request(s.guest, payload)
}

// Check compares a result with the case's bounds and returns what was missed, a line each.
func (c *Case) Check(r *Result) (missed []string) {
	miss := func(format string, args ...any) { missed = append(missed, fmt.Sprintf(format, args...)) }
	s := &r.Statistics
	if due := int(int64(c.Requests) * int64(c.Interval) / taskPeriod); c.Mode == Task && s.Requests < due*9/10 {
		miss("the timer was due %d times, want nearly %d", s.Requests, due)
	}
	if c.Mode != Task && s.Requests != c.Requests {
		miss("%d requests entered the NIC, want %d", s.Requests, c.Requests)
	}
	if s.Lost > 0 && c.Guest == "" && (c.Mode != Inband && c.Mode != StockDriver || c.Load == "" && c.Flood == 0 && !c.Bulk) {
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
	// A request that comes while the oob stage runs for something else waits until that has ended, and no longer.
	if longest := r.Activations.Longest; r.Exact && c.Spread != unbounded && c.activates() && s.Max-s.Median > quiet+longest {
		miss("maximum %d instructions, want at most median + %d + the longest activation, %d", s.Max, quiet, longest)
	}
	// With other loads beside it a collection takes longer than the case: that one was seen before it began must do.
	for _, kind := range c.Load.kinds() {
		if told, ok := r.Told[kind]; ok && c.Load == kind && told.After <= told.Before {
			miss("LOAD=%s has done its work %d times before and %d after, want more", kind, told.Before, told.After)
		}
	}
	if r.Flood.Answered > 0 && !c.Answered {
		miss("in-band answered %d flood frames, want none", r.Flood.Answered)
	}
	if c.flows() && r.Bulk.Bytes == 0 {
		miss("no TCP data acknowledged on lan0, want some")
	}
	return missed
}

// spread returns the bound as far as the measurement can tell: one that is finer than its resolution is the resolution.
func (c *Case) spread(r *Result) int64 { return max(c.Spread, r.Resolution) }
