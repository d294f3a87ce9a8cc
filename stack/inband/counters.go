package inband

import (
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/tcpip"
)

// counters count what a device did in-band since the start: received = delivered + the drops, when nothing is under way.
type counters struct {
	received, delivered atomic.Uint64

	shortFrame, foreignMAC, malformedTag, nestedTag, unknownVLAN, noUntaggedPort, unknownEthertype atomic.Uint64
	heldARP, heldEcho, malformedARP, ownSource                                                     atomic.Uint64

	sent, sendNoSlot                atomic.Uint64
	learned, learnRefused           atomic.Uint64
	echoed, echoRefused, echoUnsent atomic.Uint64
}

// Kind says what a counter counts.
type Kind uint8

// Kinds of counters. A frame received is Delivered or one Drop.
const (
	Received  Kind = iota // frames from the link
	Delivered             // frames given to the stack
	Drop                  // frames received and not delivered
	Other
)

// Counter is the value of a named counter.
type Counter struct {
	Name  string
	Kind  Kind
	Unit  string // "": frames
	Help  string
	Value uint64
}

// Counters returns the device's counters, always the same ones in the same order.
func (d *Device) Counters() []Counter {
	c := &d.count
	out := make([]Counter, 0, 24)
	for _, e := range []struct {
		name  string
		kind  Kind
		unit  string
		help  string
		value *atomic.Uint64
	}{
		{"received", Received, "", "frames taken from the link", &c.received},
		{"delivered", Delivered, "", "frames given to the stack", &c.delivered},
		{"short_frame", Drop, "", "shorter than an Ethernet header", &c.shortFrame},
		{"foreign_mac", Drop, "", "unicast to another MAC address", &c.foreignMAC},
		{"malformed_tag", Drop, "", "VLAN tag cut off or VID 4095", &c.malformedTag},
		{"nested_tag", Drop, "", "802.1ad or more than one tag", &c.nestedTag},
		{"unknown_vlan", Drop, "", "VLAN without a port", &c.unknownVLAN},
		{"no_untagged_port", Drop, "", "untagged, on a device with VLAN ports only", &c.noUntaggedPort},
		{"unknown_ethertype", Drop, "", "neither IPv4 nor ARP", &c.unknownEthertype},
		{"malformed_arp", Drop, "", "ARP cut off or not IPv4 over Ethernet", &c.malformedARP},
		{"own_source", Drop, "", "IPv4 that says it comes from an address of ours", &c.ownSource},
		{"held_arp", Drop, "", "ARP requests for an oob address: the oob stage answers", &c.heldARP},
		{"held_echo", Drop, "", "ICMP echo requests to an oob address: the oob stage answers", &c.heldEcho},
		{"sent", Other, "", "frames queued on the link", &c.sent},
		{"send_no_slot", Other, "", "frames not sent: no free slot", &c.sendNoSlot},
		{"learned", Other, "neighbours", "neighbours told by the oob stage", &c.learned},
		{"learn_refused", Other, "neighbours", "neighbours told that cannot be one", &c.learnRefused},
		{"echoed", Other, "datagrams", "UDP echo replies", &c.echoed},
		{"echo_refused", Other, "datagrams", "UDP echo requests not to be answered", &c.echoRefused},
		{"echo_unsent", Other, "datagrams", "UDP echo replies the stack could not send", &c.echoUnsent},
	} {
		out = append(out, Counter{Name: e.name, Kind: e.kind, Unit: e.unit, Help: e.help, Value: e.value.Load()})
	}
	return out
}

// Counters returns what gVisor counts for all devices together: its own view of packets, datagrams and segments, and why
// it dropped some of those delivered to it.
func (s *Stack) Counters() []Counter {
	t := s.net.Stats()
	out := make([]Counter, 0, 24)
	for _, e := range []struct {
		name, unit, help string
		value            *tcpip.StatCounter
	}{
		{"ip_received", "packets", "IPv4 packets received", t.IP.PacketsReceived},
		{"ip_delivered", "packets", "IPv4 packets given to a transport protocol", t.IP.PacketsDelivered},
		{"ip_sent", "packets", "IPv4 packets sent", t.IP.PacketsSent},
		{"ip_malformed", "packets", "IPv4 packets with a wrong header", t.IP.MalformedPacketsReceived},
		{"ip_malformed_fragments", "packets", "IPv4 fragments that do not fit together", t.IP.MalformedFragmentsReceived},
		{"ip_foreign_destination", "packets", "IPv4 packets to an address that is not ours", t.IP.InvalidDestinationAddressesReceived},
		{"ip_foreign_source", "packets", "IPv4 packets from an address that nobody can have", t.IP.InvalidSourceAddressesReceived},
		{"ip_send_errors", "packets", "IPv4 packets that could not be sent", t.IP.OutgoingPacketErrors},
		{"arp_requests", "packets", "ARP requests received", t.ARP.RequestsReceived},
		{"arp_replies", "packets", "ARP replies received", t.ARP.RepliesReceived},
		{"arp_requests_sent", "packets", "ARP requests sent", t.ARP.OutgoingRequestsSent},
		{"arp_replies_sent", "packets", "ARP replies sent", t.ARP.OutgoingRepliesSent},
		{"icmp_echo_requests", "packets", "ICMP echo requests received", t.ICMP.V4.PacketsReceived.EchoRequest},
		{"icmp_echo_replies_sent", "packets", "ICMP echo replies sent", t.ICMP.V4.PacketsSent.EchoReply},
		{"udp_received", "datagrams", "UDP datagrams received", t.UDP.PacketsReceived},
		{"udp_sent", "datagrams", "UDP datagrams sent", t.UDP.PacketsSent},
		{"udp_unknown_port", "datagrams", "UDP datagrams to a port that nobody listens on", t.UDP.UnknownPortErrors},
		{"udp_receive_buffer_full", "datagrams", "UDP datagrams dropped: the receiver was slow", t.UDP.ReceiveBufferErrors},
		{"udp_checksum", "datagrams", "UDP datagrams with a wrong checksum", t.UDP.ChecksumErrors},
		{"tcp_received", "segments", "TCP segments received", t.TCP.ValidSegmentsReceived},
		{"tcp_sent", "segments", "TCP segments sent", t.TCP.SegmentsSent},
		{"tcp_retransmitted", "segments", "TCP segments sent again", t.TCP.Retransmits},
		{"tcp_resets_sent", "segments", "TCP segments that refuse or break a connection", t.TCP.ResetsSent},
		{"tcp_accepted", "connections", "TCP connections accepted", t.TCP.PassiveConnectionOpenings},
		{"tcp_opened", "connections", "TCP connections opened", t.TCP.ActiveConnectionOpenings},
	} {
		out = append(out, Counter{Name: e.name, Kind: Other, Unit: e.unit, Help: e.help, Value: e.value.Value()})
	}
	return out
}
