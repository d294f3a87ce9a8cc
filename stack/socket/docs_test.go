package socket_test

import (
	"bytes"
	"net/netip"
	"os"
	"strings"
	"testing"

	"mortise/stack/neigh"
	"mortise/stack/poll"
	"mortise/stack/socket"
	"mortise/stack/task"
	"mortise/stack/wire"
	"mortise/stack/wire/wiretest"
)

// The code that docs/sockets.md shows stands here, or in tasks/socktest, and does what it says.

// TestDocsShowThisCode finds each piece of the document in code that is compiled, but for blanks.
func TestDocsShowThisCode(t *testing.T) {
	plain := func(name string) string {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var lines []string
		for _, line := range strings.Split(string(b), "\n") {
			lines = append(lines, strings.Join(strings.Fields(line), " "))
		}
		return strings.Join(lines, "\n")
	}
	code := plain("docs_test.go") + plain("../../tasks/socktest/socktest.go")
	pieces := strings.Split(plain("../../docs/sockets.md"), "```go\n")[1:]
	if len(pieces) < 6 {
		t.Errorf("%d pieces of code: is the document read right?", len(pieces))
	}
	for _, piece := range pieces {
		if piece, _, _ = strings.Cut(piece, "```"); !strings.Contains(code, piece) {
			t.Errorf("this is not the code:\n%s", piece)
		}
	}
}

func TestDocsOpening(t *testing.T) {
	b := newBench(t)
	id, port := uint32(3), &vlan
	s, err := socket.OpenUDP(socket.Options{
		Task:   id,                                                // who is made ready by each message
		Local:  netip.AddrPortFrom(netip.IPv4Unspecified(), 5000), // any of our addresses; or one of an oob port, or a group's
		Device: port,                                              // from socket.Named("rt0.42"); nil: any oob port
		Queue:  16, Policy: socket.DropOldest,
	})
	b.ok(err)
	b.arrive(b.site.VFrom(), 40000, 5000, []byte("hello"))
	if got := received(s); len(got) != 1 || string(got[0]) != "hello" || socket.List()[0].Task != id {
		t.Errorf("got %q", got)
	}
}

func TestDocsGroups(t *testing.T) {
	b := newBench(t)
	id, port := uint32(3), &vlan
	s, err := socket.OpenRaw(0x88f7, socket.Options{Device: port, Task: id, Groups: [][6]byte{
		{0x01, 0x1b, 0x19, 0x00, 0x00, 0x00}, // PTP over Ethernet; peer delay is 01:80:c2:00:00:0e (IEEE 1588, annex on IEEE 802.3)
	}})
	b.ok(err)
	f := b.tagged(b.site.VID, 0x88f7, 46)
	copy(f, []byte{0x01, 0x1b, 0x19, 0, 0, 0})
	b.bring(f)
	if got := received(s); len(got) != 1 || !bytes.Equal(got[0], f) {
		t.Errorf("got %x", got)
	}
}

func TestDocsFrame(t *testing.T) {
	b := newBench(t)
	s := b.openRaw(0x88a4, socket.Options{Device: &vlan, PCP: 6})
	station, process := b.site.PeerMAC, [46]byte{1, 2, 3}
	var m socket.Message
	if s.ComposeFrame(&m) == socket.OK { // up to 1,514 bytes; source address and EtherType are there, and may be written over
		m.Write(station[:]) // the destination
		m.Skip(8)
		m.Write(process[:])
		s.SendFrame(&m, 14+uint32(len(process)))
	}
	h := wire.Header{Dst: station, Src: b.site.MAC, Tags: []wire.VLAN{{VID: b.site.VID, PCP: 6}}}
	want := append(wire.AppendEthernet(nil, &h, 0x88a4), process[:]...)
	if sent := b.sent(); len(sent) != 1 || !bytes.Equal(sent[0], want) {
		t.Errorf("sent %x, want %x", sent, want)
	}
}

func TestDocsFragments(t *testing.T) {
	b := newBench(t)
	b.ok(neigh.Set(untagged, b.peer, b.site.PeerMAC, false))
	s := b.open(socket.Options{Local: local(anywhere, 5000)})
	peer, port := neigh.Wire(b.peer), uint32(40000)
	data := wiretest.Payload(4096, 7)
	head, table := data[:2048], data[2048:]
	var m socket.Message
	if s.ComposeLong(&m, peer, port, 8192) == socket.OK { // a buffer for each of six fragments: all of them, or NoBuffer
		m.Write(head[:]) // pieces of up to 2,048 bytes, from wherever they lie
		m.Write(table[:])
		s.SendLong(&m, 8192) // all six to the device, or Busy and none
	}
	sent := b.sent()
	if len(sent) != 6 || !bytes.Equal(sent[0][14+28:], data[:1472]) || !bytes.Equal(sent[1][14+20:], data[1472:1472+1480]) {
		t.Errorf("%d frames sent, or others", len(sent))
	}
	b.checkPools(0, 0)
}

func TestDocsWaiting(t *testing.T) {
	b := newBench(t)
	const id = 2
	b.ok(task.Configure(1_000_000, task.Config{ID: id, Name: "docs", Period: 1_000_000}))
	plant := b.open(socket.Options{Task: id, Local: local(anywhere, 5000)})
	cycle := task.Periodic(id)
	link, _, err := task.NewBuffer(id, 64, 64)
	b.ok(err)
	var set poll.Set
	set, err = poll.New(id, poll.Readable(plant), poll.Writable(plant), poll.Expired(cycle), poll.Message(link), poll.Room(link, 24))
	b.ok(err)
	b.arrive(b.site.From(), 40000, 5000, []byte("hello"))
	if got := set.Ready(); got != 1<<0|1<<4 { // a message, and room; no peer to write to
		t.Errorf("Ready = %#b", got)
	}
	received(plant)
}
