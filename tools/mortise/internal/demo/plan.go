package demo

import (
	"fmt"
	"net/netip"
	"strconv"

	"mortise/stack/gateway"
	"mortise/tools/packet"
)

// A plan says what of a configuration can be measured, and from where.
type plan struct {
	oob    []oobFlow    // echoes first, then what is forwarded
	inband []inbandFlow // at most one; none: no device lies in QEMU's user network
}

// oobFlow is what the real-time peer asks of the oob stage: an echo service, or frames that a rule forwards.
type oobFlow struct {
	name    string
	port    int // of the board, where frames enter: 0 is ENET1
	crosses *crossing
	vid     uint16 // of an echo, as what follows
	target  netip.Addr
	from    station
}

// inbandFlow is the in-band services of a device.
type inbandFlow struct {
	name   string
	port   int
	target netip.Addr
	status uint16 // TCP port of the status page
	echo   uint16 // UDP port of the in-band echo
}

// userNetwork is what QEMU's user-mode network serves unless told otherwise (qemu-system-arm(1), -netdev user).
var userNetwork = netip.MustParsePrefix("10.0.2.0/24")

// probePort is the UDP source port of the real-time peer, of no service (dynamic range, RFC 6335).
const probePort = 50007

// controllers names the board's ports in QEMU's order.
var controllers = []string{"ENET1", "ENET2"}

// newPlan finds the echo services of the oob ports and the in-band services that a peer can reach.
func newPlan(c *gateway.Config) (*plan, error) {
	var p plan
	for i := range c.Devices {
		d := &c.Devices[i]
		port := controllerIndex(d.Controller)
		if port < 0 {
			continue
		}
		for k := range d.Ports {
			q := &d.Ports[k]
			switch {
			case q.Oob != nil && q.Oob.Accepts(gateway.EchoPort):
				from, err := neighbour(q.Address)
				if err != nil {
					return nil, fmt.Errorf("%s: %w", q.Name(d.Name), err)
				}
				p.oob = append(p.oob, oobFlow{
					name: "oob " + oobName(q.VID) + markOf(d), port: port, vid: q.VID, target: q.Address.Addr(),
					from: station{mac: peerMAC(port), addr: from, port: probePort},
				})
			case q.Oob == nil && q.VID == 0 && userNetwork.Contains(q.Address.Addr()) && len(p.inband) == 0:
				p.inband = append(p.inband, inbandFlow{
					name: "in-band " + d.Name, port: port, target: q.Address.Addr(), status: c.Status.Port, echo: c.Echo.Port,
				})
			}
		}
	}
	p.oob = append(p.oob, crossings(c)...)
	if len(p.oob) == 0 {
		return nil, fmt.Errorf("the configuration has no oob port with an echo service, and forwards nothing: there is nothing to measure")
	}
	return &p, nil
}

// stockMark stands behind the names of flows over a stock driver, which are not real-time; the table says so.
const stockMark = "*"

// markOf returns stockMark for such a device.
func markOf(d *gateway.Device) string {
	if d.Stock {
		return stockMark
	}
	return ""
}

func oobName(vid uint16) string {
	if vid == 0 {
		return "untagged"
	}
	return "VLAN " + strconv.Itoa(int(vid))
}

func controllerIndex(name string) int {
	for i, c := range controllers {
		if c == name {
			return i
		}
	}
	return -1
}

// peerMAC is the real-time peer's address on a port: locally administered.
func peerMAC(port int) packet.MAC { return packet.MAC{0x02, 0x70, 0x65, 0x65, 0x72, byte(port)} }

// neighbour returns another host's address in the subnet of p: the next one, or the one before.
func neighbour(p netip.Prefix) (netip.Addr, error) {
	last := lastAddr(p)
	if next := p.Addr().Next(); p.Contains(next) && next != last {
		return next, nil
	}
	if prev := p.Addr().Prev(); p.Contains(prev) && prev != p.Masked().Addr() {
		return prev, nil
	}
	return netip.Addr{}, fmt.Errorf("%s leaves no address for a peer", p)
}

// lastAddr returns the subnet's broadcast address.
func lastAddr(p netip.Prefix) netip.Addr {
	a := p.Masked().Addr().As4()
	for bit := p.Bits(); bit < 32; bit++ {
		a[bit/8] |= 0x80 >> (bit % 8)
	}
	return netip.AddrFrom4(a)
}
