package latency

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"mortise/tools/bench/plugin"
	"mortise/tools/packet"
	"mortise/tools/qemu"
)

// Rules of the firmware, by the names of its configurations: image/gateway/testdata/forward-NAME.toml.
const (
	rulesPrefix = "forward-"
	byType      = "ethertype" // one rule by EtherType
	oneRule     = "1"         // one rule by two prefixes, protocol and port
	manyRules   = "64"        // the same, and 63 others ahead of it
)

// smallest is the UDP payload that makes a frame the smallest there is.
const smallest = packet.MinFrame - packet.EthernetSize - packet.IPv4Size - packet.UDPSize

// rulesBootRounds is bootRounds where releases are short: the firmware makes its rules tables before its NIC is up. What QEMU then
// drops of the frames that wait is nobody's.
const rulesBootRounds = 100_000

// What the rules are for.
const (
	crossingPort = 5063
	crossingType = 0x88a4 // EtherCAT
)

var (
	crossingTo = packet.MAC{2, 7, 7, 7, 7, 7} // a station behind lan0
	crossingIP = netip.AddrFrom4([4]byte{10, 0, 2, 9})
)

// crossing returns the frame that carries payload and is forwarded by rules.
func crossing(rules string, payload []byte) []byte {
	l := packet.Link{MAC: peerMAC, Addr: netip.AddrFrom4([4]byte{10, 0, 0, 2}), Peer: crossingIP}
	if rules == byType {
		return l.Ethernet(crossingTo, crossingType, payload)
	}
	return l.UDP(crossingTo, sourcePort, crossingPort, payload)
}

// crosses returns the payload of a frame that crossing has made.
func crosses(p *packet.Packet) (payload []byte, ok bool) {
	if p.Destination != crossingTo {
		return nil, false
	}
	if p.EtherType == crossingType {
		return p.Body, true
	}
	d, ok := p.UDP()
	return d.Payload, ok
}

// farPort returns lan0's port for a case whose frames leave there. net is what its cable leads to.
func farPort(net *qemu.Wire, capture string) qemu.Port {
	return qemu.Port{Net: net, PCAP: capture, Release: bulkRelease}
}

// farCapture is lan0's, beside rt0's at path.
func farCapture(path string) string { return strings.TrimSuffix(path, ".pcap") + "-lan0.pcap" }

// arrive looks at a frame that the guest has sent on lan0.
func (s *session) arrive(frame []byte) {
	p, _ := packet.Parse(frame)
	if b, ok := crosses(&p); ok {
		if kind, _, ok := parsePayload(b); ok {
			s.answered[kind]++
		}
	}
}

// arrivals puts what has crossed the gateway, of lan0's capture, among the records of rt0's. With the plugin's stores their time is
// exact, as that of what the guest sends by itself is.
func arrivals(records []Record, capture string, stores []plugin.Store) ([]Record, error) {
	far, err := ReadCapture(capture)
	if err != nil {
		return nil, err
	}
	bySelf := func(p *packet.Packet) bool {
		_, crossed := crosses(p)
		return crossed || p.Source != peerMAC
	}
	if stores != nil {
		if err := refine(far, stores, bySelf); err != nil {
			return nil, err
		}
	}
	far = slices.DeleteFunc(far, func(r Record) bool {
		p, _ := packet.Parse(r.Frame)
		_, crossed := crosses(&p)
		return !crossed
	})
	for i := range far {
		far[i].Far = true
	}
	records = append(records, far...)
	slices.SortStableFunc(records, func(a, b Record) int { return cmp.Compare(a.MicroS, b.MicroS) })
	return records, nil
}

// storesTo returns those to one register.
func storesTo(register uint32, all []plugin.Store) []plugin.Store {
	return slices.DeleteFunc(slices.Clone(all), func(s plugin.Store) bool { return s.Addr != register })
}
