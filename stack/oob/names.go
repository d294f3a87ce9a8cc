package oob

// CounterNames has the name of each counter, as the status page and the tests print it.
var CounterNames = [NumCounters]string{
	Received: "received",

	UDPEcho:      "udp_echo",
	ICMPEcho:     "icmp_echo",
	ARPAnswer:    "arp_answer",
	ARPLearned:   "arp_learned",
	Forwarded:    "forwarded",
	SocketQueued: "socket_queued",
	FragmentKept: "fragment_kept",

	InbandVLAN:      "inband_vlan",
	InbandTags:      "inband_tags",
	InbandEtherType: "inband_ethertype",
	InbandARP:       "inband_arp",
	InbandAddress:   "inband_address",
	InbandOptions:   "inband_options",
	InbandFragment:  "inband_fragment",
	InbandProtocol:  "inband_protocol",
	InbandICMP:      "inband_icmp",
	InbandUDPPort:   "inband_udp_port",
	InbandRule:      "inband_rule",
	InbandProgram:   "inband_program",

	FrameShort:        "frame_short",
	FrameLong:         "frame_long",
	ForeignMAC:        "foreign_mac",
	TagShort:          "tag_short",
	LinkBroadcast:     "link_broadcast",
	IPv4Short:         "ipv4_short",
	IPv4Version:       "ipv4_version",
	IPv4HeaderLength:  "ipv4_header_length",
	IPv4Length:        "ipv4_length",
	IPv4Checksum:      "ipv4_checksum",
	IPv4Options:       "ipv4_options",
	IPv4Fragment:      "ipv4_fragment",
	IPv4Destination:   "ipv4_destination",
	Unclaimed:         "unclaimed",
	UDPShort:          "udp_short",
	UDPLength:         "udp_length",
	UDPChecksum:       "udp_checksum",
	UDPSourcePort:     "udp_source_port",
	ICMPShort:         "icmp_short",
	ICMPChecksum:      "icmp_checksum",
	SourceMAC:         "source_mac",
	SourceIP:          "source_ip",
	ARPShort:          "arp_short",
	ARPFormat:         "arp_format",
	ARPSender:         "arp_sender",
	ARPConflict:       "arp_conflict",
	RuleDrop:          "rule_drop",
	ProgramDrop:       "program_drop",
	ForwardLong:       "forward_long",
	FragmentMalformed: "fragment_malformed",
	FragmentDuplicate: "fragment_duplicate",
	FragmentRefused:   "fragment_refused",
	FragmentNoRoom:    "fragment_no_room",
	SocketFull:        "socket_full",

	EventLost: "event_lost",
}

// Class is what became of the frames that a counter counts.
type Class uint8

// The classes.
const (
	ClassTotal    Class = iota // received
	ClassAccepted              // taken by the oob stage
	ClassInband                // left to in-band
	ClassDropped
	ClassOther // not a frame's fate
)

// ClassOf returns the class of a counter.
//
//oob:stage inband
func ClassOf(counter int) Class {
	switch {
	case counter < firstAccepted:
		return ClassTotal
	case counter < firstInband:
		return ClassAccepted
	case counter < firstDropped:
		return ClassInband
	case counter < EventLost:
		return ClassDropped
	}
	return ClassOther
}

// String returns the class as a metric's label has it.
func (c Class) String() string {
	return [...]string{"received", "accepted", "inband", "dropped", "other"}[c]
}
