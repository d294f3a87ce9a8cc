package oob

import (
	"math/bits"
	"unsafe"

	"mortise/drivers/mmio"
	"mortise/stack/filter"
	"mortise/stack/filter/bpf"
	"mortise/stack/forward"
)

// Limits of the tables.
const (
	Devices  = 2 // real devices
	MaxPorts = 8 // oob ports of a device: the device itself and its VLANs
	// MaxOwn bounds the further addresses of this machine: those of in-band ports, and of all oob ports while they are not.
	MaxOwn = 8 + Devices*MaxPorts
)

// Config is what Deliver goes by. Keep it in a static variable or on the heap, it is 130 KiB.
type Config struct {
	Device [Devices]DeviceConfig
	// Own are the addresses of this machine that are on no oob port, zero for none: no answer goes to them.
	Own [MaxOwn][4]byte
}

// DeviceConfig describes a diverted device; the zero value one that is not.
type DeviceConfig struct {
	MAC   [6]byte
	Ports [MaxPorts]PortConfig
	// Rules come ahead of everything else: what frames of the device, to whomever, are judged or sent on by. nil: none. They are
	// copied.
	Rules *forward.Classifier
	// Program judges the device's own frames and those to groups, behind Rules and ahead of the ports. nil: none. It is copied.
	Program *bpf.Program
	// VLANs is the device's VLAN rule: the VLANs whose IPv4 is oob although no port is on them. Ports need no entry.
	VLANs filter.VIDSet
}

// PortConfig describes an oob port; one without an address is unused.
type PortConfig struct {
	VID    uint16 // 0: the device itself
	Addr   [4]byte
	Prefix uint8 // length of the network's part of Addr, 8 to 32
	Rules  bool  // the port has accept rules: it takes what they say; else it takes all IPv4
	UDP    filter.PortSet
}

// ConfigError says why Configure refused a Config.
type ConfigError string

func (e ConfigError) Error() string { return "oob: " + string(e) }

// device is a device as Deliver needs it. Parts of addresses are in wire order, in the low half where they are 16 bits.
// The tables behind port begin where a rotated eight-bit immediate reaches them: another offset costs an instruction each.
type device struct {
	count    [NumCounters]uint32
	plain    uint32 // mac0, or what no frame has: then each is for admit
	mac0     uint32 // bytes 0 and 1 of the MAC address, as a destination has them
	mac2     uint32 // bytes 2 to 5
	mac0123  uint32 // bytes 0 to 3, as a source has them
	mac45    uint32 // bytes 4 and 5, in the high half
	port     [16]port
	_        [0x400 - 4*NumCounters - 5*4 - 16*32]byte
	tables   // at 0x400
	_        [0xc00 - unsafe.Sizeof(tables{})]byte
	vlan     filter.VLANMap // at 0x1000; index into port: 0 is none
	services services       // at 0x2000
}

// tables are those that frames look into which are not answered at once.
type tables struct {
	sources
	rules   uintptr // the device's *forward.Classifier; 0: none
	program uintptr // the device's *bpf.Program; 0: none
	twin    uintptr // the *device for frames that a rule or the program accepts
	// answered is the *port that the last answer was for, and in the low bits which of the counters from UDPEcho on it is: see
	// Answered. 0: the twin's.
	answered  uintptr
	consuming uint32 // ports that have a raw socket for IPv4: see Consume
	fanned    uint32 // the rule of the last frame for several destinations
	judged    Judged // by the program
}

// The offsets are what they are said to be.
const (
	_ = -(unsafe.Offsetof(device{}.tables) ^ 0x400)
	_ = -(unsafe.Offsetof(device{}.vlan) ^ 0x1000)
	_ = -(unsafe.Offsetof(device{}.services) ^ 0x2000)
)

// port is a port as Deliver needs it.
type port struct {
	addr   uint32 // wire order; 0: a VLAN that is accepted without a port
	mask   uint32 // wire order
	accept uint32 // the port's bit in services
	rules  uint32 // not 0: with rules
	dev    uint32
	vid    uint32
	index  uint32 // to package socket
	_      uint32 // 32 bytes: the index is a shift
}

// noPort is the index of the port that stands for accepted VLANs without one.
const noPort = MaxPorts + 1

// banks holds each device twice: Deliver goes by one, the next configuration is built in the other. Each counts on its own,
// and a reading adds up both.
var banks [2][Devices]device

// twins are the devices for frames that a rule or a program accepts, whatever the ports' own rules are: see acceptAll. In the same banks.
var twins [2][Devices]device

// classifiers are the devices' rules, in the same banks.
var classifiers [2][Devices]forward.Classifier

// programs are the devices' programs to run, in the same banks.
var programs [2][Devices]bpf.Program

// serving is the bank of each device that Deliver goes by, as DeviceAt tells.
var serving [Devices]uint32

// everyPort is what a port without rules accepts.
var everyPort filter.PortSet

// Configure makes c what Deliver goes by, one device after the other; counters stay. Nothing changes when it returns an
// error. The oob stage may serve meanwhile: publish stores the address that the caller of Deliver has for device dev, in one
// word, so that each frame meets the old configuration or the new one, whole. One goroutine at a time calls it.
//
// CAUTION: it relies on a single core, where no activation is under way when in-band code runs: behind publish nobody goes
// by the old bank any more.
//
//oob:stage inband
func Configure(c *Config, publish func(dev uint32, d Device)) error {
	for i := range c.Device {
		if err := c.Device[i].check(); err != nil {
			return err
		}
	}
	everyPort.Add(0, 1<<16-1)
	var own sources
	for _, addr := range c.Own {
		own.refuse(word(addr))
	}
	for i := range c.Device {
		for j := range c.Device[i].Ports {
			own.refusePort(&c.Device[i].Ports[j])
		}
	}
	for i := range uint32(Devices) {
		bank := 1 - serving[i]
		d := &banks[bank%uint32(len(banks))][i]
		d.sources = own
		d.configure(&c.Device[i], i)
		park := judges[i].change(c.Device[i].Program, &d.judged)
		old := &banks[serving[i]%uint32(len(banks))][i]
		mmio.Store(&serving[i], bank)
		publish(i, DeviceAt(i))
		if park {
			judges[i].park(&old.judged)
		}
	}
	return nil
}

// check returns what is wrong with c.
func (c *DeviceConfig) check() error {
	var seen filter.VIDSet
	untagged, used := false, false
	for i := range c.Ports {
		p := &c.Ports[i]
		if p.Addr == ([4]byte{}) {
			continue
		}
		used = true
		switch {
		case p.VID == 1 || p.VID >= filter.MaxVID:
			return ConfigError("a port's VLAN ID is 1 or above 4094")
		case p.VID == 0 && untagged, seen.Has(p.VID):
			return ConfigError("two ports of a device have the same VLAN ID")
		case p.Addr[0] == 0 || p.Addr[0] == 127 || p.Addr[0] >= 224:
			return ConfigError("a port's address is no host address")
		case p.Prefix < 8 || p.Prefix > 32:
			return ConfigError("a port's prefix length is not 8 to 32")
		case p.Prefix < 31 && !p.isInside():
			return ConfigError("a port's address is the first or last of its network")
		}
		untagged = untagged || p.VID == 0
		seen.Add(p.VID)
	}
	if used && (c.MAC[0]&1 != 0 || c.MAC == [6]byte{}) {
		return ConfigError("a device with ports has no unicast MAC address")
	}
	return nil
}

// isInside reports whether the host's part of p's address is neither all zeros nor all ones.
func (p *PortConfig) isInside() bool {
	host := bits.ReverseBytes32(word(p.Addr)) << p.Prefix
	return host != 0 && host != ^uint32(0)<<p.Prefix
}

// configure fills d's tables by c.
func (d *device) configure(c *DeviceConfig, dev uint32) {
	dev %= Devices
	m := &c.MAC
	d.mac0 = uint32(m[0]) | uint32(m[1])<<8
	d.mac2 = word([4]byte(m[2:6]))
	d.mac0123 = word([4]byte(m[0:4]))
	d.mac45 = uint32(m[4])<<16 | uint32(m[5])<<24
	d.vlan, d.port = filter.VLANMap{}, [16]port{}
	d.plain, d.rules, d.program = d.mac0, 0, 0
	ruled[dev].configure(c.Rules, &tallies[dev])
	if c.Rules != nil {
		set := &classifiers[d.bank()][dev]
		*set = *c.Rules
		set.Complete()
		ruled[dev].install(set, &tallies[dev])
		d.plain, d.rules = ^uint32(0), uintptr(unsafe.Pointer(set))
	}
	if c.Program != nil {
		p := &programs[d.bank()][dev]
		*p = *c.Program
		d.plain, d.program = ^uint32(0), uintptr(unsafe.Pointer(p))
	}
	if d.consuming = consuming[dev]; d.consuming != 0 {
		d.plain = ^uint32(0)
	}
	d.services.reset(&banks[serving[dev]%uint32(len(banks))][dev].services)
	d.port[noPort].dev, d.port[noPort].index = dev, ^uint32(0)
	for vid := range uint16(filter.MaxVID) {
		if c.VLANs.Has(vid) {
			d.vlan.Set(uint32(vid), noPort)
		}
	}
	for i := range c.Ports {
		p := &c.Ports[i]
		if p.Addr == ([4]byte{}) {
			continue
		}
		q := &d.port[i+1]
		*q = port{addr: word(p.Addr), mask: p.mask(), vid: uint32(p.VID), dev: dev, index: PortIndex(dev, uint32(i)), accept: 1 << (acceptShift + uint32(i))}
		if p.Rules {
			q.rules = 1
			d.services.accept(q.accept, &p.UDP)
		} else {
			d.services.accept(q.accept, &everyPort)
		}
		d.vlan.Set(uint32(p.VID), uint32(i+1))
	}
	if c.Rules != nil || c.Program != nil {
		d.acceptAll(&twins[d.bank()][dev])
	}
}

// acceptAll makes d's twin of it: the same device, whose ports accept all IPv4. What nothing claims there is dropped, as on a port
// without rules. A VLAN without a port accepts nothing there either.
func (d *device) acceptAll(twin *device) {
	count := twin.count
	*twin = *d
	twin.count = count
	for i := range twin.port {
		twin.port[i].rules, twin.port[i].accept = 0, ^uint32(0)
	}
	twin.port[noPort].accept = 0
	d.twin = uintptr(unsafe.Pointer(twin))
}

// bank returns the bank that d lies in.
func (d *device) bank() uint32 {
	if d == &banks[0][0] || d == &banks[0][1] {
		return 0
	}
	return 1
}

// mask returns the mask of p's network, in wire order.
func (p *PortConfig) mask() uint32 { return bits.ReverseBytes32(^uint32(0) << (32 - p.Prefix)) }

// word returns an address in wire order.
func word(b [4]byte) uint32 {
	return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
}
