package gateway

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"

	"mortise/stack/filter"
)

// Tables are a configuration as plain values, ready to be copied into the fixed tables of drivers and companion core.
type Tables struct {
	Devices  []DeviceTable
	Loopback Loopback
}

// DeviceTable is a device's part of Tables. Its index is the device's number everywhere.
type DeviceTable struct {
	Name       string
	Controller string
	Stock      bool // see Device
	MAC        MAC
	MACSource  MACSource
	Timestamps Timestamps // see Device
	Diverted   bool
	Held       bool          // diverted without an oob port, too
	OobVLANs   filter.VIDSet // VLANs taken though no port is on them
	Filter     *Filter       // nil: no program judges its frames
	Ports      []PortTable   // oob and in-band ones
	Forward    []Forward     // rules for what comes in on it, in their order
	Forwards   bool          // diverted because a rule names it
}

// PortTable is a port's part of Tables.
type PortTable struct {
	Name    string
	VID     uint16 // 0: untagged
	Addr    uint32 // IPv4, the first byte most significant
	Prefix  uint8  // bits
	Oob     bool
	AllIPv4 bool        // an oob port without rules: all its IPv4 is oob
	UDP     []PortRange // with rules: the destination ports that the oob stage takes
	Echo    bool        // the oob echo service answers on it, at EchoPort

	Gateway    netip.Addr // the zero value: none
	Pool       int        // buffers of an oob port
	Buffer     int        // bytes of its largest datagram; 0: no limit
	Neighbours []Neighbour
	Solicit    []netip.Addr
}

// MACSource tells where a device's MAC address comes from.
type MACSource string

// Where a MAC address comes from, in the order of preference.
const (
	MACConfigured MACSource = "configuration"
	MACFuses      MACSource = "fuses"
	MACDerived    MACSource = "derived"
)

// Tables compiles the configuration. MAC addresses come from the configuration, else from fuse (what the board's fuses
// hold for a controller; nil: no fuses), else they are locally administered and derived from seed and the device's name.
func (c *Config) Tables(seed []byte, fuse func(controller string) (MAC, bool)) (*Tables, error) {
	t := &Tables{Devices: make([]DeviceTable, len(c.Devices)), Loopback: c.Loopback}
	owner := map[MAC]string{}
	for i := range c.Devices {
		d := &c.Devices[i]
		mac, source := d.resolveMAC(seed, fuse)
		if !mac.unicast() {
			return nil, fmt.Errorf("device %s: MAC address %s (%s) is not a unicast address", d.Name, mac, source)
		}
		if other, taken := owner[mac]; taken {
			return nil, fmt.Errorf("devices %s and %s: the same MAC address %s (the latter by %s)", other, d.Name, mac, source)
		}
		owner[mac] = d.Name
		t.Devices[i] = DeviceTable{
			Name: d.Name, Controller: d.Controller, Stock: d.Stock, Timestamps: d.Timestamps, MAC: mac, MACSource: source, Diverted: d.Divert, Held: d.Held,
			OobVLANs: d.OobVLANs, Filter: d.Filter, Ports: d.tables(), Forward: c.forwardFrom(d.Name), Forwards: c.forwards(d.Name),
		}
	}
	return t, nil
}

func (c *Config) forwardFrom(device string) (list []Forward) {
	for _, f := range c.Forward {
		if f.From == device {
			list = append(list, f)
		}
	}
	return list
}

// forwards reports whether a rule is from the device or to it.
func (c *Config) forwards(device string) bool {
	return slices.ContainsFunc(c.Forward, func(f Forward) bool {
		return f.From == device || slices.ContainsFunc(f.To, func(d Destination) bool { return d.Device == device })
	})
}

func (d *Device) tables() []PortTable {
	ports := make([]PortTable, len(d.Ports))
	for i := range d.Ports {
		p := &d.Ports[i]
		addr := p.Address.Addr().As4()
		ports[i] = PortTable{
			Name: p.Name(d.Name), VID: p.VID, Addr: binary.BigEndian.Uint32(addr[:]), Prefix: uint8(p.Address.Bits()),
			Gateway: p.Gateway,
		}
		if p.Oob == nil {
			continue
		}
		ports[i].Oob, ports[i].Echo, ports[i].AllIPv4 = true, p.Oob.Accepts(EchoPort), len(p.Oob.Rules) == 0
		ports[i].Pool, ports[i].Buffer, ports[i].Neighbours, ports[i].Solicit = p.Oob.Pool, p.Oob.Buffer, p.Oob.Neighbours, p.Oob.Solicit
		for _, r := range p.Oob.Rules {
			ports[i].UDP = append(ports[i].UDP, r.UDP...)
		}
	}
	return ports
}

func (d *Device) resolveMAC(seed []byte, fuse func(string) (MAC, bool)) (MAC, MACSource) {
	if d.MAC != (MAC{}) {
		return d.MAC, MACConfigured
	}
	if fuse != nil {
		if mac, ok := fuse(d.Controller); ok && mac.unicast() {
			return mac, MACFuses
		}
	}
	return DeriveMAC(seed, d.Name), MACDerived
}

// DeriveMAC returns the locally administered unicast address that follows from seed and a device's name: always the same
// for the same two, and another one for another gateway's seed.
func DeriveMAC(seed []byte, device string) MAC {
	h := hmac.New(sha256.New, seed)
	h.Write([]byte("mortise MAC address of " + device))
	mac := MAC(h.Sum(nil)[:6])
	mac[0] = mac[0]&^1 | 2 // IEEE Std 802-2014, 8.2.2: I/G 0, U/L 1
	return mac
}

func (m MAC) String() string {
	return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5])
}

// unicast reports whether m names one station: neither a group address nor all zero.
func (m MAC) unicast() bool { return m[0]&1 == 0 && m != MAC{} }
