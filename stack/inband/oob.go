package inband

import (
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// holdBack consumes, and counts, the requests that the oob stage answers: ARP and ICMP echo requests for the port's oob
// address. They come here all the same when a rule or a program leaves them to in-band. One that was waiting when the oob stage
// got the device is answered here (Link.OobAnswers). Malformed ARP ends here too. payload belongs to the caller.
func (p *Port) holdBack(proto tcpip.NetworkProtocolNumber, payload []byte) bool {
	if proto == header.ARPProtocolNumber {
		return p.holdARP(header.ARP(payload))
	}
	if !p.oob.Load() || !p.isEchoRequest(payload) || !p.device.link.OobAnswers() {
		return false
	}
	p.device.count.heldEcho.Add(1)
	return true
}

func (p *Port) holdARP(h header.ARP) bool {
	if !h.IsValid() {
		p.device.count.malformedARP.Add(1)
		return true
	}
	if !p.oob.Load() || h.Op() != header.ARPRequest || !p.device.link.OobAnswers() {
		return false
	}
	if [4]byte(h.ProtocolAddressTarget()) != p.address.Addr().As4() {
		return false
	}
	p.probed([4]byte(h.ProtocolAddressSender()), [6]byte(h.HardwareAddressSender()))
	p.device.count.heldARP.Add(1)
	return true
}

// isEchoRequest reports whether ip is an IPv4 packet with an ICMP echo request that the oob stage answers: to the port's
// address, whole and without options. The others it leaves to in-band, which does answer them.
func (p *Port) isEchoRequest(ip []byte) bool {
	if len(ip) <= header.IPv4MinimumSize || ip[9] != byte(header.ICMPv4ProtocolNumber) {
		return false
	}
	fragmented := ip[6]&0x3f|ip[7] != 0 // more to come, or an offset
	return ip[0] == 0x45 && !fragmented && ip[20] == byte(header.ICMPv4Echo) && [4]byte(ip[16:20]) == p.address.Addr().As4()
}
