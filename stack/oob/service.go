package oob

import (
	"slices"

	"mortise/drivers/mmio"
	"mortise/stack/filter"
)

// A service is who takes the datagrams of a UDP port in the oob stage.
const (
	serviceNone  = iota
	serviceEcho  // RFC 862
	serviceOther // somebody else's: it answers whatever it gets, so what comes from it gets no answer
)

// services has a word for each UDP port: what the accept rules of a device's oob ports and the services say about it, in one
// load.
//
//	bits 0–7    the service that is built in
//	bits 8–15   the list of the sockets that are bound to it (package socket), plus one; 0: none
//	bits 16–31  the device's oob ports that accept the UDP port
type services [1 << 16]uint32

const (
	serviceID   = 0xff
	listShift   = 8
	listMask    = 0xff << listShift
	acceptShift = 16
)

// EchoPort is the UDP port of the echo service.
const EchoPort = 7

// talkative are the UDP ports of services that answer any datagram, errors included: two of them, or one and our echo,
// keep each other busy for ever once somebody has forged the first datagram (CERT CA-1996-01, VU#417980). 0 is no port at
// all: RFC 768 has it for senders that want no answer.
var talkative = [...]uint16{
	0,
	9,   // discard, RFC 863
	11,  // active users, RFC 866
	13,  // daytime, RFC 867
	17,  // quote of the day, RFC 865
	18,  // message send, RFC 1312
	19,  // character generator, RFC 864
	37,  // time, RFC 868
	53,  // DNS
	69,  // TFTP
	111, // port mapper
	123, // NTP
}

// Talks reports whether what comes from a UDP port is a service's, or nobody's: it gets no answer by the echo service.
//
//oob:stage inband
func Talks(port uint16) bool { return port == EchoPort || slices.Contains(talkative[:], port) }

// reset leaves what is built in, the sockets that old knows, and no port that accepts anything.
//
//oob:stage inband
func (s *services) reset(old *services) {
	for port := range s {
		s[port] = old[port] & listMask
	}
	for _, port := range talkative {
		s[port] |= serviceOther
	}
	s[EchoPort] |= serviceEcho
}

// accept makes the oob port with the bit take the UDP ports in set.
//
//oob:stage inband
func (s *services) accept(bit uint32, set *filter.PortSet) {
	for port := range uint32(len(s)) {
		if set.Has(uint16(port)) {
			s[port] |= bit
		}
	}
}

// Bind makes the sockets of a list (package socket) those that get the datagrams to a UDP port, on all oob ports that accept
// it; -1: none. The echo service's port is its own.
//
//oob:stage inband
func Bind(udpPort uint16, list int) error {
	if udpPort == EchoPort {
		return ConfigError("UDP port 7 is the echo service's")
	}
	for b := range banks {
		for d := range banks[b] {
			for _, s := range []*services{&banks[b][d].services, &twins[b][d].services} {
				mmio.Store(&s[udpPort], s[udpPort]&^listMask|uint32(list+1)<<listShift&listMask)
			}
		}
	}
	return nil
}
