package latency

import (
	"bytes"
	"encoding/binary"

	"mortise/tools/packet"
)

// peer is the host as the guest sees it, and a service of the guest's.
type peer struct {
	packet.Link
	port   uint16 // the service's
	source uint16 // UDP port of datagrams to it
}

const sourcePort = 40000 // of every request: no service's, and the oob stage answers all but those

var peerMAC = packet.MAC{0x02, 0, 0, 0, 0xb0, 0x02}

// request returns a datagram to the service.
func (p *peer) request(guest packet.MAC, payload []byte) []byte {
	return p.UDP(guest, p.source, p.port, payload)
}

// stream tells what a payload was sent for.
type stream byte

const (
	warmUp   stream = 'w'
	measured stream = 'm'
	flood    stream = 'f'
)

var magic = []byte("mortise ")

const payloadHeader = 16 // magic, stream, 3 bytes of zero, sequence number

// payload returns size bytes that say which request of which stream they are.
func payload(s stream, sequence uint32, size int) []byte {
	b := make([]byte, size)
	copy(b, magic)
	b[8] = byte(s)
	binary.BigEndian.PutUint32(b[12:], sequence)
	for i := payloadHeader; i < size; i++ {
		b[i] = byte(i)
	}
	return b
}

// parsePayload is payload's inverse.
func parsePayload(b []byte) (s stream, sequence uint32, ok bool) {
	if len(b) < payloadHeader || !bytes.HasPrefix(b, magic) {
		return 0, 0, false
	}
	return stream(b[8]), binary.BigEndian.Uint32(b[12:]), true
}
