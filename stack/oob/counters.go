package oob

import (
	"mortise/drivers/mmio"
	"mortise/stack/filter/bpf"
	"mortise/stack/socket"
)

// The counters of a device. Each frame moves Received and exactly one of the others up to EventLost: they are grouped by
// what became of the frame, and CounterNames has a name for each.
const (
	Received = iota

	// Accepted: taken by the oob stage.
	UDPEcho      // UDP echo answered
	ICMPEcho     // ICMP echo answered
	ARPAnswer    // ARP request answered
	ARPLearned   // ARP reply taken in
	Forwarded    // sent on by a rule, as it left here: stack/divert counts what there was no room for
	SocketQueued // datagram or frame queued for a socket; of a datagram in fragments the last one
	FragmentKept // fragment kept until the others have come

	// Left to in-band.
	InbandVLAN      // no oob port on its VLAN; untagged, and none on the device itself
	InbandTags      // more than two tags, or a priority tag inside another
	InbandEtherType // neither IPv4 nor ARP
	InbandARP       // ARP that does not concern the port's address, or is an answer to in-band
	InbandAddress   // IPv4 for another address than the port's
	InbandOptions   // IPv4 options, on a port with rules
	InbandFragment  // an IPv4 fragment, on a port with rules
	InbandProtocol  // an IPv4 protocol that no rule accepts
	InbandICMP      // ICMP, but no echo request
	InbandUDPPort   // a UDP port that no rule accepts
	InbandRule      // a rule says so
	InbandProgram   // the device's program says so

	// Dropped.
	FrameShort        // shorter than an Ethernet header
	FrameLong         // longer than a frame with two tags
	ForeignMAC        // unicast to another station
	TagShort          // ends inside a VLAN tag
	LinkBroadcast     // the port's IPv4 address in a broadcast or multicast frame (3.3.6, RFC 1122)
	IPv4Short         // ends inside the IPv4 header
	IPv4Version       // version is not 4
	IPv4HeaderLength  // header length below 20 bytes
	IPv4Length        // total length below the header's, or beyond the frame
	IPv4Checksum      // header checksum wrong
	IPv4Options       // options, on a port without rules
	IPv4Fragment      // a fragment, on a port without rules
	IPv4Destination   // not the port's address, on a port without rules
	Unclaimed         // nothing in the oob stage takes it
	UDPShort          // ends inside the UDP header
	UDPLength         // UDP length is not what IPv4 carries
	UDPChecksum       // UDP checksum wrong
	UDPSourcePort     // sent from the port of a service, or from none: an answer could start a loop
	ICMPShort         // ends inside the ICMP header
	ICMPChecksum      // ICMP checksum wrong
	SourceMAC         // from a group, from zero or from ourselves
	SourceIP          // from a group, a broadcast, a reserved address or one of ours
	ARPShort          // ends inside the ARP packet
	ARPFormat         // not IPv4 over Ethernet
	ARPSender         // the sender's address is no host of the port's network
	ARPConflict       // somebody else has the port's address
	RuleDrop          // a rule says so
	ProgramDrop       // the device's program says so
	ForwardLong       // a pushed tag would make it too long
	FragmentMalformed // tiny, of an impossible length, or beyond the largest packet
	FragmentDuplicate // it is there already
	FragmentRefused   // it overlaps others, or belongs to a packet that was given up because of that, or of too many fragments
	FragmentNoRoom    // too many packets are incomplete, or half of the port's pool is in use
	SocketFull        // a socket's queue, or its port's pool, has no room: the socket's counters tell which

	// Not a frame's fate.
	EventLost // an event found the ring to in-band full

	NumCounters

	firstAccepted = UDPEcho
	firstInband   = InbandVLAN
	firstDropped  = FrameShort
)

// Stats is a reading of a device's counters.
type Stats [NumCounters]uint32

// Snapshot returns the counters of device dev. Exact when it does not overlap with Deliver.
//
//oob:stage inband
func Snapshot(dev uint32) (s Stats) {
	for b := range banks {
		d, twin := &banks[b][dev%Devices], &twins[b][dev%Devices]
		for i := range s {
			s[i] += mmio.Load(&d.count[i]) + mmio.Load(&twin.count[i])
		}
	}
	for port := range uint32(MaxPorts) {
		s[SocketQueued] += socket.Queued(PortIndex(dev%Devices, port))
	}
	return s
}

// Dropped returns how many frames of device dev were dropped, modulo 2³²: that of a Snapshot alone, for who asks often.
//
//oob:stage inband
func Dropped(dev uint32) (n uint32) {
	for b := range banks {
		d, twin := &banks[b][dev%Devices], &twins[b][dev%Devices]
		for i := firstDropped; i < EventLost; i++ {
			n += mmio.Load(&d.count[i]) + mmio.Load(&twin.count[i])
		}
	}
	return n
}

// Accepted returns the number of frames that the oob stage took.
//
//oob:stage any
func (s *Stats) Accepted() uint32 { return sum(s[firstAccepted:firstInband]) }

// Inband returns the number of frames left to in-band.
//
//oob:stage any
func (s *Stats) Inband() uint32 { return sum(s[firstInband:firstDropped]) }

// Dropped returns the number of frames dropped.
//
//oob:stage any
func (s *Stats) Dropped() uint32 { return sum(s[firstDropped:EventLost]) }

// Balanced reports whether each frame received is accounted for exactly once.
//
//oob:stage any
func (s *Stats) Balanced() bool { return s[Received] == s.Accepted()+s.Inband()+s.Dropped() }

// sum adds up a part of a device's counters.
//
//oob:stage any
func sum(counts []uint32) (n uint32) {
	//oob:loop NumCounters counts is a part of Stats
	for _, c := range counts {
		n += c
	}
	return n
}

// Judged is what the program of a device has done.
type Judged struct {
	Verdicts [4]uint32 // frames, by filter.Verdict
	Steps    uint32    // of all runs; it wraps
	Longest  uint32    // the most steps of a run
}

// JudgedBy returns what the program of device dev has done since it was set.
//
//oob:stage inband
func JudgedBy(dev uint32) (j Judged) {
	for b := range banks {
		j.add(&banks[b][dev%Devices].judged)
	}
	return j
}

// add adds what more runs have done.
//
//oob:stage inband
func (j *Judged) add(more *Judged) {
	for i := range j.Verdicts {
		j.Verdicts[i] += mmio.Load(&more.Verdicts[i])
	}
	j.Steps += mmio.Load(&more.Steps)
	j.Longest = max(j.Longest, mmio.Load(&more.Longest))
}

// judge is in-band's: which program a device was configured with last, and what the one that it has replaced has done. A device's banks
// have what the program does.
type judge struct {
	of, before *bpf.Program
	parked     Judged // of before
}

// judges are the devices' judges.
var judges [Devices]judge

// change notes which program bank, which nobody goes by yet, is for. A new one begins at 0; the one that was there until the last change goes on
// counting, for who takes a change back. It reports whether park is to be called when nobody goes by the other bank any more.
//
//oob:stage inband
func (j *judge) change(to *bpf.Program, bank *Judged) bool {
	if to == j.of {
		return false
	}
	now := judge{of: to, before: j.of, parked: *bank}
	*bank = Judged{}
	if to == j.before {
		*bank = j.parked
	}
	*j = now
	return true
}

// park keeps what the program before has done in the bank that nobody goes by any more.
//
//oob:stage inband
func (j *judge) park(bank *Judged) {
	j.parked.add(bank)
	*bank = Judged{}
}

// Runs returns how many frames were judged.
func (j *Judged) Runs() (n uint32) {
	for _, v := range j.Verdicts {
		n += v
	}
	return n
}
