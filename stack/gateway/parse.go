package gateway

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"mortise/stack/filter"
	"mortise/stack/filter/vids"
)

// Load is Parse of the named file.
func Load(name string, board *Board) (*Config, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return parse(name, data, board, func(file string) ([]byte, error) {
		if !filepath.IsAbs(file) {
			file = filepath.Join(filepath.Dir(name), filepath.FromSlash(file))
		}
		return readFile(file)
	})
}

// maxSize is the size of a configuration file in bytes at most: a choice, thousands of times what the limits below fill.
const maxSize = 1 << 20

// Parse reads a configuration and checks it against board. file is the name that errors begin with. An error is of type
// Errors: all that is wrong with the file, by line; a file that is no TOML at all has one.
func Parse(file string, data []byte, board *Board) (*Config, error) {
	var files func(string) ([]byte, error)
	if board != nil {
		files = board.Files
	}
	return parse(file, data, board, files)
}

// parse is Parse where files reads what the configuration names.
func parse(file string, data []byte, board *Board, files func(name string) ([]byte, error)) (*Config, error) {
	if len(data) > maxSize {
		return nil, Errors{{File: file, Line: 1, Want: fmt.Sprintf("%d bytes: expected at most %d", len(data), maxSize)}}
	}
	root, syntax := parseTree(file, data)
	if syntax != nil {
		return nil, Errors{syntax}
	}
	r := &reader{file: file, board: board, files: files}
	c := r.config(root)
	if len(r.errs) > 0 {
		r.errs.sort()
		return nil, r.errs
	}
	return c, nil
}

const wantName = "a name of 1 to 15 characters: a lower-case letter, then letters, digits and hyphens"

func isName(s string) bool {
	if len(s) == 0 || len(s) > 15 || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == "" && s[len(s)-1] != '-'
}

func (r *reader) config(root *node) *Config {
	c := &Config{Name: "mortise", RestartsPerMinute: DefaultRestartsPerMinute}
	t := r.table(root, plannedTop)
	if n := t.get("name"); n != nil {
		name, ok := r.text(n, wantName)
		if ok && !isName(name) {
			r.fail(n, wantName)
		}
		c.Name = name
	}
	if s := r.table(t.get("status"), plannedStatus); s != nil {
		c.Status.Port = r.port(s.need("port", wantPort))
		c.Status.Control = r.flag(s.get("control"), false)
		s.done()
	}
	var echoPort *node
	if e := r.table(t.get("echo"), nil); e != nil {
		echoPort = e.need("port", wantPort)
		c.Echo.Port = r.port(echoPort)
		e.done()
	}
	if o := r.table(t.get("oob"), nil); o != nil {
		c.RestartsPerMinute = r.number(o.get("restarts_per_minute"), "a number of restarts", 0, MaxRestartsPerMinute, c.RestartsPerMinute)
		o.done()
	}
	if w := r.table(t.get("watchdog"), nil); w != nil {
		s := r.number(w.need("timeout_s", wantTimeout), "a number of seconds", minTimeoutS, maxTimeoutS, 0)
		c.Watchdog.Timeout = time.Duration(s) * time.Second
		c.Watchdog.Inband = r.flag(w.get("reset_without_inband"), false)
		w.done()
	}
	if l := r.table(t.get("loopback"), nil); l != nil {
		c.Loopback.On = true
		most := MaxPool
		if r.board != nil && r.board.Buffers != 0 {
			most = min(most, r.board.Buffers)
		}
		c.Loopback.Pool = r.number(l.get("pool"), "a number of buffers", 1, most, DefaultPool)
		l.done()
	}
	forward := t.get("forward")
	if devices := r.table(t.need("device", "a table [device.NAME] for each device"), nil); devices != nil {
		r.devices(devices, c)
		r.forward(forward, devices.n, c)
	}
	t.done()
	if c.Echo.Port == EchoPort && c.hasOobEcho() {
		r.fail(echoPort, "another port than the oob echo service's, %d", EchoPort)
	}
	return c
}

// The watchdog's timeout in seconds: the least is a choice (in-band reports four times in it, and must find the time),
// the most is the hardware's (drivers/wdog).
const (
	minTimeoutS = 2
	maxTimeoutS = 128
	wantTimeout = "a number of seconds, 2 to 128"
)

func (c *Config) hasOobEcho() bool {
	return slices.ContainsFunc(c.Devices, func(d Device) bool {
		return slices.ContainsFunc(d.Ports, func(p Port) bool { return p.Oob != nil && p.Oob.Accepts(EchoPort) })
	})
}

// used remembers which field had a value that must be the only one of its kind.
type used[K comparable] map[K]string

// claim records that n has value v, or the error that another field had it before.
func claim[K comparable](r *reader, u used[K], v K, n *node, what string) {
	if other, taken := u[v]; taken {
		r.fail(n, "%s of its own, %s has this one", what, other)
		return
	}
	u[v] = n.field
}

// across is what the checks between devices need.
type across struct {
	controllers used[string]
	macs        used[MAC]
	gateways    used[bool]
	names       used[string] // of devices and ports
	subnets     []subnet
	number      int // of the device, from 1 on
	inband      int // ports
	buffers     int // of all pools
}

type subnet struct {
	prefix netip.Prefix
	field  string
}

func (r *reader) devices(t *table, c *Config) {
	x := &across{controllers: used[string]{}, macs: used[MAC]{}, gateways: used[bool]{}, names: used[string]{}, buffers: c.Loopback.Pool}
	for _, n := range t.n.kids {
		x.names[n.key] = n.field
	}
	for _, n := range t.n.kids {
		t.asked = append(t.asked, n.key)
		if !isName(n.key) {
			r.refuse(n, "expected %s", wantName)
		}
		if n.key == LoopbackName {
			r.refuse(n, "expected another name: %s is the loopback port's", LoopbackName)
		}
		if d := r.device(n, x); d != nil {
			c.Devices = append(c.Devices, *d)
		}
	}
	if len(t.n.kids) == 0 {
		r.fail(t.n, "a table [device.NAME] for each device")
	}
}

func (r *reader) device(n *node, x *across) *Device {
	t := r.table(n, plannedDevice)
	if t == nil {
		return nil
	}
	d := &Device{Name: n.key}
	x.number++
	controller := r.controller(t, d, x)
	r.driver(t.get("driver"), d, controller)
	r.timestamps(t.get("timestamps"), d)
	r.mac(t.get("mac"), d, x)
	untagged := r.port4(t, d.Name, 0, x)
	vlans := t.get("vlan")
	if untagged != nil {
		d.Ports = append(d.Ports, *untagged)
	} else if vlans == nil {
		t.missing("address", wantAddress)
	}
	if v := r.table(vlans, nil); v != nil {
		for _, k := range v.n.kids {
			if p := r.vlan(k, d.Name, x); p != nil {
				d.Ports = append(d.Ports, *p)
			}
		}
	}
	vlanRule := t.get("oob_vlans")
	r.oobVLANs(vlanRule, d)
	program := t.get("filter")
	r.filter(program, d, x.number)
	r.divert(t.get("divert"), d, vlanRule != nil || program != nil)
	r.limits(n, d, x)
	t.done()
	return d
}

func (r *reader) controller(t *table, d *Device, x *across) *Controller {
	want := "a controller of the board"
	var names []string
	if r.board != nil {
		for i := range r.board.Controllers {
			names = append(names, r.board.Controllers[i].Name)
		}
		want = "a controller of board " + r.board.Name + ": " + strings.Join(names, ", ")
	}
	n := t.need("controller", want)
	if n == nil {
		return nil
	}
	name, ok := r.text(n, want)
	if !ok {
		return nil
	}
	d.Controller = name
	if r.board == nil {
		return nil
	}
	i := slices.Index(names, name)
	if i < 0 {
		r.fail(n, "%s", want)
		return nil
	}
	claim(r, x.controllers, name, n, "a controller")
	return &r.board.Controllers[i]
}

// Drivers that a device may name: ours, and any other.
const (
	driverOob   = "enet"
	driverStock = "stock"
)

// driver reads which driver the device has: the oob-capable one if there is one.
func (r *reader) driver(n *node, d *Device, controller *Controller) {
	var drivers []string
	if controller == nil || controller.OobCapable {
		drivers = append(drivers, driverOob)
	}
	if controller == nil || controller.Stock || !controller.OobCapable {
		drivers = append(drivers, driverStock)
	}
	d.Stock = drivers[0] == driverStock
	if n == nil {
		return
	}
	want := `"` + strings.Join(drivers, `" or "`) + `"`
	if controller != nil {
		want += " for controller " + controller.Name
	}
	name, ok := r.text(n, want)
	if ok && !slices.Contains(drivers, name) {
		r.fail(n, "%s", want)
	}
	d.Stock = name == driverStock
}

// timestamps reads what notes the times of the device's frames. A stock driver has no timer.
func (r *reader) timestamps(n *node, d *Device) {
	if n == nil {
		return
	}
	const off = "off"
	values, of := []string{off, string(SoftwareTimestamps), string(HardwareTimestamps)}, ""
	if d.Stock {
		values, of = values[:2], " with a stock driver"
	}
	want := `"` + strings.Join(values, `" or "`) + `"` + of
	s, ok := r.text(n, want)
	if ok && !slices.Contains(values, s) {
		r.fail(n, "%s", want)
		return
	}
	if s != off {
		d.Timestamps = Timestamps(s)
	}
}

// divert reads whether the device is diverted; needed: something beside its oob ports asks for that.
func (r *reader) divert(n *node, d *Device, needed bool) {
	oob := needed || d.HasOob()
	d.Divert = r.flag(n, oob)
	d.Held = n != nil && d.Divert
	if oob && !d.Divert {
		r.refuse(n, "not supported yet: an oob port on a device that is not diverted (docs/config.md, Planned)")
	}
}

const wantVIDs = `VLAN IDs from 2 to 4094, as "42-45,100"`

// oobVLANs reads the VLAN rule, which needs no port: VLANs with a port are left to the port.
func (r *reader) oobVLANs(n *node, d *Device) {
	if n == nil {
		return
	}
	s, ok := r.text(n, wantVIDs)
	if !ok {
		return
	}
	set, err := vids.Parse(s)
	if err != nil || set == (filter.VIDSet{}) {
		r.fail(n, wantVIDs)
		return
	}
	for i := range d.Ports {
		if p := &d.Ports[i]; p.VID != 0 && set.Has(p.VID) {
			r.fail(n, "VLANs without a port: %s has one, and its own table says what is oob", p.Name(d.Name))
		}
	}
	d.OobVLANs = set
}

// limits checks what the oob stage's tables hold.
func (r *reader) limits(n *node, d *Device, x *across) {
	oob := 0
	for i := range d.Ports {
		if o := d.Ports[i].Oob; o != nil {
			oob++
			x.buffers += o.Slots()
			if r.board != nil && r.board.Buffers != 0 && x.buffers > r.board.Buffers && x.buffers-o.Slots() <= r.board.Buffers {
				r.refuse(n, "the pools of the oob ports up to %s have %d buffers: expected at most %d in all on board %s (pool of the ports, %d by default)",
					d.Ports[i].Name(d.Name), x.buffers, r.board.Buffers, r.board.Name, DefaultPool)
			}
		} else {
			x.inband++
		}
	}
	if oob > MaxOobPorts {
		r.refuse(n, "%d oob ports: expected at most %d on a device", oob, MaxOobPorts)
	}
	if x.inband > MaxInbandPorts && x.inband-(len(d.Ports)-oob) <= MaxInbandPorts {
		r.refuse(n, "in-band port number %d: expected at most %d in all", x.inband, MaxInbandPorts)
	}
}

const wantMAC = "a unicast MAC address as 02:00:00:00:00:01"

func (r *reader) mac(n *node, d *Device, x *across) {
	if n == nil {
		return
	}
	s, ok := r.text(n, wantMAC)
	if !ok {
		return
	}
	mac, ok := parseMAC(s)
	if !ok || !mac.unicast() {
		r.fail(n, wantMAC)
		return
	}
	claim(r, x.macs, mac, n, "a MAC address")
	d.MAC = mac
}

func parseMAC(s string) (mac MAC, ok bool) {
	parts := strings.Split(s, ":")
	if len(parts) != len(mac) {
		return mac, false
	}
	for i, p := range parts {
		v, err := strconv.ParseUint(p, 16, 8)
		if err != nil || len(p) != 2 {
			return mac, false
		}
		mac[i] = byte(v)
	}
	return mac, true
}

const wantVID = "a VLAN ID, 1 to 4094"

func (r *reader) vlan(n *node, device string, x *across) *Port {
	vid, err := strconv.ParseUint(n.key, 10, 16)
	if err != nil || vid < 1 || vid > 4094 || strconv.FormatUint(vid, 10) != n.key {
		r.refuse(n, "expected %s", wantVID)
		vid = 0
	}
	t := r.table(n, plannedVLAN)
	if t == nil {
		return nil
	}
	p := r.port4(t, device, uint16(vid), x)
	if p == nil {
		t.missing("address", wantAddress)
	}
	if p != nil && p.Oob != nil && vid == 1 {
		r.refuse(n, "expected a VLAN ID from 2 to 4094: 1 is the default VLAN of bridges and cannot be oob")
	}
	t.done()
	return p
}

// port4 reads what devices and VLANs have in common; nil: there is no address.
func (r *reader) port4(t *table, device string, vid uint16, x *across) *Port {
	p := &Port{VID: vid}
	address, gateway, oob, name := t.get("address"), t.get("gateway"), t.get("oob"), t.get("name")
	if name != nil {
		p.Label = r.portName(name, device, vid, x)
	}
	if address == nil {
		for _, n := range []*node{name, gateway, oob} {
			if n != nil {
				r.refuse(n, "expected an address beside it: %s.address is missing", t.n.field)
			}
		}
	} else if r.address(address, p, x) && gateway != nil {
		r.gateway(gateway, p, x)
	}
	if oob != nil {
		p.Oob = r.oob(oob, p.Address)
	}
	if address == nil {
		return nil
	}
	return p
}

// portName reads the name that a port has instead of its device's, and VLAN's. No device and no other port has it.
func (r *reader) portName(n *node, device string, vid uint16, x *across) string {
	name, ok := r.text(n, wantName)
	if !ok {
		return ""
	}
	switch {
	case !isName(name):
		r.fail(n, wantName)
		return ""
	case name == LoopbackName:
		r.fail(n, "another name: it is the loopback port's")
	case vid == 0 && name == device:
		return "" // the name that it has
	}
	claim(r, x.names, name, n, "a name")
	return name
}

const wantAddress = "an IPv4 address with the length of its prefix, as 10.0.0.1/24"

func (r *reader) address(n *node, p *Port, x *across) bool {
	s, ok := r.text(n, wantAddress)
	if !ok {
		return false
	}
	prefix, err := netip.ParsePrefix(s)
	if err != nil || !prefix.Addr().Is4() {
		r.fail(n, wantAddress)
		return false
	}
	if why := notHost(prefix); why != "" {
		r.fail(n, "the address of a host: %s", why)
		return false
	}
	for _, other := range x.subnets {
		if other.prefix.Overlaps(prefix) {
			r.fail(n, "a subnet of its own: it overlaps %s of %s", other.prefix.Masked(), other.field)
			break
		}
	}
	x.subnets = append(x.subnets, subnet{prefix, n.field})
	p.Address = prefix
	return true
}

// CheckAddress says why a port cannot have p's address in p's subnet, "" when it can.
func CheckAddress(p netip.Prefix) string {
	if !p.IsValid() || !p.Addr().Is4() {
		return "it is not " + wantAddress
	}
	return notHost(p)
}

// notHost says why a host cannot have p's address in p's subnet, "" when it can.
func notHost(p netip.Prefix) string {
	a := p.Addr()
	switch {
	case p.Bits() == 0:
		return "a prefix of 0 bits is no subnet"
	case a.As4()[0] == 0, a.IsLoopback(), a.As4()[0] >= 224:
		return "0.0.0.0/8, 127.0.0.0/8 and 224.0.0.0/3 have none"
	case p.Bits() < 31 && a == p.Masked().Addr():
		return "this is the subnet itself"
	case p.Bits() < 31 && a == broadcast(p):
		return "this is the subnet's broadcast address"
	}
	return ""
}

func broadcast(p netip.Prefix) netip.Addr {
	b := p.Addr().As4()
	for i := range b {
		host := min(max((i+1)*8-p.Bits(), 0), 8)
		b[i] |= byte(1<<host - 1)
	}
	return netip.AddrFrom4(b)
}

func (r *reader) gateway(n *node, p *Port, x *across) {
	want := "the IPv4 address of a neighbour in " + p.Address.Masked().String()
	s, ok := r.text(n, want)
	if !ok {
		return
	}
	a, err := netip.ParseAddr(s)
	if err != nil || !p.Address.Contains(a) || a == p.Address.Addr() || notHost(netip.PrefixFrom(a, p.Address.Bits())) != "" {
		r.fail(n, "%s", want)
		return
	}
	if other, taken := x.gateways[true]; taken {
		r.fail(n, "one gateway in all: %s is another", other)
		return
	}
	x.gateways[true] = n.field
	p.Gateway = a
}
