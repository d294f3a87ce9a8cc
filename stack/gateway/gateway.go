// Package gateway is the configuration of a Mortise device: one TOML file, read by the firmware, by the host command and
// by tests.
//
// Parse reads the file and reports everything that is wrong with it at once, each error with line, field, what was found
// and what was expected. What is not configured is off; what is not known is refused, and so is what is planned but not
// there yet: a field is never silently ignored. Config is the typed result, Tables the plain values that the oob stage
// and the drivers are set up with. The fields are described in docs/config.md.
//
// Stage: in-band, and the host. Follows: TOML v1.0.0 (2021-01-11); RFC 791, 1918 and 4632 (addresses and prefixes); IEEE
// Std 802.1Q-2018, 9.6 (VLAN identifiers); IEEE Std 802-2014, 8.2 (MAC addresses). Does not support: IPv6.
package gateway

import (
	"net/netip"
	"strconv"
	"time"

	"mortise/stack/filter"
)

// MAC is an Ethernet address.
type MAC [6]byte

// Board is what a configuration is checked against.
type Board struct {
	Name        string
	Controllers []Controller
	// Buffers is the number of buffers that the pools of all oob ports have together at most; 0: not known.
	Buffers int
	// Files returns the content of a file that the configuration names, a filter program, to Parse; nil: there is none. Load
	// reads files beside the configuration's.
	Files func(name string) ([]byte, error)
}

// Controller is a network controller that a device may name.
type Controller struct {
	Name string
	// OobCapable says that there is a driver whose receive and transmit can run in the oob stage.
	OobCapable bool
	// Stock says that there is a stock driver beside it, too. A controller that is not OobCapable has no other.
	Stock bool
}

// Config is a valid configuration.
type Config struct {
	Name   string // of the whole gateway
	Status Status
	Echo   Echo
	// RestartsPerMinute is how often the oob stage is started again after faults in any minute, before it stays down.
	RestartsPerMinute int
	Watchdog          Watchdog
	Loopback          Loopback
	Devices           []Device  // in the order of the file
	Forward           []Forward // in the order of the file, which is that in which a device's are looked at
}

// DefaultRestartsPerMinute is a choice: a fault that a frame causes now and then is survived, one that comes back at once
// ends in the stage staying down within milliseconds.
const DefaultRestartsPerMinute = 3

// MaxRestartsPerMinute is a choice: one each second.
const MaxRestartsPerMinute = 60

// Watchdog is the hardware watchdog.
type Watchdog struct {
	Timeout time.Duration // 0: none
	// Inband resets the machine, too, when in-band alone is silent. Else the oob stage, which outlives in-band, goes on.
	Inband bool
}

// Status is the status page.
type Status struct {
	Port    uint16 // TCP; 0: no status page
	Control bool   // the API beside it may change things
}

// Echo is the in-band UDP echo service (RFC 862 on a port of its own, to compare the stages by).
type Echo struct {
	Port uint16 // UDP; 0: no such service
}

// Loopback is the loopback oob port, LoopbackName: what oob sockets of this machine talk to each other by.
type Loopback struct {
	On   bool // from the start
	Pool int  // buffers; 0: not configured
}

// LoopbackName is the loopback port's name, which no other port can have.
const LoopbackName = "lo"

// StockDriver is what is said of a device with a stock driver, wherever it is shown.
const StockDriver = "stock driver, not real-time"

// Timestamps says by what it is noted when a device's frames come in and leave.
type Timestamps string

// The values of Timestamps.
const (
	NoTimestamps       Timestamps = ""         // "off" in the file
	SoftwareTimestamps Timestamps = "software" // by when the stage looks
	HardwareTimestamps Timestamps = "hardware" // by the controller's IEEE 1588 timer, and software if that does not count
)

// Device is a network controller with the ports on it.
type Device struct {
	Name       string
	Controller string
	Stock      bool // its driver is a stock one, which is not oob-capable
	MAC        MAC  // the zero value: not configured, see ResolveMACs
	Divert     bool
	Timestamps Timestamps    // whether times of its frames are noted, and by what
	Held       bool          // Divert is not only because of oob ports and VLANs: the file says so
	OobVLANs   filter.VIDSet // VLANs whose IPv4 the oob stage takes though no port is on them
	Filter     *Filter       // the program that judges its frames; nil: none
	Ports      []Port        // the untagged one first if there is one, then the VLANs in the order of the file
}

// Port is an interface on a device: its untagged traffic, or one VLAN of it.
type Port struct {
	VID     uint16       // 0: untagged
	Label   string       // its name; "": as Name has it
	Address netip.Prefix // the port's address and the length of its subnet's prefix
	Gateway netip.Addr   // of the default route; the zero value: none
	Oob     *Oob         // nil: in-band only
}

// Oob makes a port an oob port.
type Oob struct {
	Rules      []Rule       // what the oob stage takes; none: all IPv4 of the port
	Pool       int          // buffers of the port
	Buffer     int          // bytes of the largest datagram; 0: no limit beside the stack's
	Neighbours []Neighbour  // that are known from the start, and stay
	Solicit    []netip.Addr // who is asked for when the port comes up
}

// Neighbour is who has an address on a port's network.
type Neighbour struct {
	Address netip.Addr
	MAC     MAC
}

// DefaultPool and MaxPool are the sizes of an oob port's pool in buffers: EVL's.
const (
	DefaultPool = 2048
	MaxPool     = 32768
)

// MinBuffer and MaxBuffer are what Oob.Buffer may be: from what each slot has to EVL's most for a pool.
const (
	MinBuffer = 2048
	MaxBuffer = 32768
)

// Slots returns how many of the memory's buffers the port's pool takes: each has room for the fragments of the largest datagram.
func (o *Oob) Slots() int {
	const part = 1500 - 20 // bytes of a fragment
	return o.Pool * max(1, (o.Buffer+part-1)/part)
}

// MaxNeighbours bounds the neighbours, and the addresses to solicit, that the configuration names for a port: a choice.
const MaxNeighbours = 64

// EchoPort is the UDP port of the oob echo service (RFC 862), which every oob port has that accepts it.
const EchoPort = 7

// Limits of the oob stage's tables.
const (
	MaxOobPorts    = 8 // on a device
	MaxInbandPorts = 8 // that are not oob, in all
)

// Rule is an accept rule: the oob stage takes IPv4/UDP datagrams to these destination ports of the port's address.
type Rule struct {
	UDP []PortRange
}

// PortRange is a range of UDP ports, ends included.
type PortRange struct {
	First, Last uint16
}

// Contains reports whether port lies in r.
func (r PortRange) Contains(port uint16) bool { return r.First <= port && port <= r.Last }

// Name returns the port's name: its own, else that of its device, and behind a dot the VLAN identifier if there is one.
func (p *Port) Name(device string) string {
	if p.Label != "" {
		return p.Label
	}
	if p.VID == 0 {
		return device
	}
	return device + "." + strconv.Itoa(int(p.VID))
}

// Accepts reports whether the oob stage takes a datagram to UDP port from this port.
func (o *Oob) Accepts(port uint16) bool {
	for _, r := range o.Rules {
		for _, u := range r.UDP {
			if u.Contains(port) {
				return true
			}
		}
	}
	return len(o.Rules) == 0
}

// HasOob reports whether an oob port lies on the device.
func (d *Device) HasOob() bool {
	for i := range d.Ports {
		if d.Ports[i].Oob != nil {
			return true
		}
	}
	return false
}
