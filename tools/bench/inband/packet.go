package inband

import (
	"bytes"
	"encoding/binary"
)

// The two ends of the cable: the guest's address is that of lan0.toml and of image/stockpeer.
var (
	hostMAC   = [6]byte{0x02, 0, 0, 0, 0xb0, 0x02}
	nobody    = [6]byte{0x02, 0, 0, 0, 0xff, 0xff}
	broadcast = [6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	hostIP    = [4]byte{10, 0, 2, 2}
	guestIP   = [4]byte{10, 0, 2, 15}
)

const (
	typeIPv4  = 0x0800
	typeARP   = 0x0806
	typeLocal = 0x88b5 // IEEE 802 local experimental EtherType 1

	protocolTCP = 6
	protocolUDP = 17

	etherSize = 14
	ipSize    = 20
	tcpSize   = 20
	udpSize   = 8
	arpSize   = 28
	minFrame  = 60
)

func ethernet(to [6]byte, etherType uint16, payload []byte) []byte {
	b := make([]byte, 0, max(minFrame, etherSize+len(payload)))
	b = append(append(b, to[:]...), hostMAC[:]...)
	b = append(binary.BigEndian.AppendUint16(b, etherType), payload...)
	for len(b) < minFrame {
		b = append(b, 0)
	}
	return b
}

// arp returns a request for the guest's address, or a reply with ours.
func arp(operation uint16, to [6]byte) []byte {
	b := make([]byte, arpSize)
	copy(b, []byte{0, 1, 8, 0, 6, 4})
	binary.BigEndian.PutUint16(b[6:], operation)
	copy(b[8:], hostMAC[:])
	copy(b[14:], hostIP[:])
	copy(b[18:], to[:])
	copy(b[24:], guestIP[:])
	return ethernet(to, typeARP, b)
}

// ipv4 puts a header in front of segment, whose checksum at offset it fills in.
func ipv4(to [6]byte, protocol byte, segment []byte, offset int) []byte {
	h := make([]byte, ipSize, ipSize+len(segment))
	h[0], h[8], h[9] = 0x45, 64, protocol
	binary.BigEndian.PutUint16(h[2:], uint16(ipSize+len(segment)))
	copy(h[12:], hostIP[:])
	copy(h[16:], guestIP[:])
	binary.BigEndian.PutUint16(h[10:], ^sum(0, h))
	binary.BigEndian.PutUint16(segment[offset:], ^sum(uint32(protocol)+uint32(len(segment)), h[12:ipSize], segment))
	return ethernet(to, typeIPv4, append(h, segment...))
}

func udp(to [6]byte, from, port uint16, payload []byte) []byte {
	b := make([]byte, udpSize, udpSize+len(payload))
	binary.BigEndian.PutUint16(b[0:], from)
	binary.BigEndian.PutUint16(b[2:], port)
	binary.BigEndian.PutUint16(b[4:], uint16(udpSize+len(payload)))
	return ipv4(to, protocolUDP, append(b, payload...), 6)
}

// segment is a TCP segment's part of interest.
type segment struct {
	from, to uint16
	seq, ack uint32
	flags    byte
	window   uint16
	payload  []byte
}

const (
	fin = 1 << 0
	syn = 1 << 1
	rst = 1 << 2
	psh = 1 << 3
	ack = 1 << 4
)

func (s *segment) frame(to [6]byte) []byte {
	size := tcpSize
	if s.flags&syn != 0 {
		size += 4
	}
	b := make([]byte, size, size+len(s.payload))
	binary.BigEndian.PutUint16(b[0:], s.from)
	binary.BigEndian.PutUint16(b[2:], s.to)
	binary.BigEndian.PutUint32(b[4:], s.seq)
	binary.BigEndian.PutUint32(b[8:], s.ack)
	b[12], b[13] = byte(size/4)<<4, s.flags
	binary.BigEndian.PutUint16(b[14:], s.window)
	if s.flags&syn != 0 {
		b[20], b[21] = 2, 4 // maximum segment size
		binary.BigEndian.PutUint16(b[22:], mss)
	}
	return ipv4(to, protocolTCP, append(b, s.payload...), 16)
}

// packet is what a frame to us carries: an ARP operation, a segment or a datagram.
type packet struct {
	source   [6]byte
	arp      uint16 // operation; 0: none
	tcp      *segment
	datagram []byte
}

// parse reads a frame to us; ok is false for any other, and for one with a wrong length or checksum.
func parse(frame []byte) (p packet, ok bool) {
	if len(frame) < etherSize+arpSize {
		return p, false
	}
	copy(p.source[:], frame[6:])
	b := frame[etherSize:]
	switch binary.BigEndian.Uint16(frame[12:]) {
	case typeARP:
		p.arp = binary.BigEndian.Uint16(b[6:])
		return p, p.arp == 2 || bytes.Equal(b[24:28], hostIP[:])
	case typeIPv4:
		total := int(binary.BigEndian.Uint16(b[2:]))
		if b[0] != 0x45 || !bytes.Equal(b[16:20], hostIP[:]) || total < ipSize+udpSize || total > len(b) ||
			sum(0, b[:ipSize]) != 0xffff {
			return p, false
		}
		return p, p.transport(b[:total])
	}
	return p, false
}

func (p *packet) transport(b []byte) bool {
	s := b[ipSize:]
	if sum(uint32(b[9])+uint32(len(s)), b[12:ipSize], s) != 0xffff {
		return false
	}
	if b[9] == protocolUDP {
		p.datagram = s[udpSize:]
		return true
	}
	if b[9] != protocolTCP || len(s) < tcpSize || int(s[12]>>4)*4 > len(s) {
		return false
	}
	p.tcp = &segment{
		from: binary.BigEndian.Uint16(s[0:]), to: binary.BigEndian.Uint16(s[2:]),
		seq: binary.BigEndian.Uint32(s[4:]), ack: binary.BigEndian.Uint32(s[8:]),
		flags: s[13], window: binary.BigEndian.Uint16(s[14:]), payload: s[int(s[12]>>4)*4:],
	}
	return true
}

// sum is the one's complement sum of RFC 1071 over parts, each of even length but the last.
func sum(initial uint32, parts ...[]byte) uint16 {
	total := initial
	for _, b := range parts {
		for ; len(b) >= 2; b = b[2:] {
			total += uint32(b[0])<<8 | uint32(b[1])
		}
		if len(b) == 1 {
			total += uint32(b[0]) << 8
		}
	}
	for total>>16 != 0 {
		total = total&0xffff + total>>16
	}
	return uint16(total)
}
