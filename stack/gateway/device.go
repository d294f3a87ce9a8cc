package gateway

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"mortise/stack/filter"
	"mortise/stack/filter/vids"
)

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
