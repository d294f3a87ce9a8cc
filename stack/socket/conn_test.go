package socket_test

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"mortise/stack/divert"
	"mortise/stack/neigh"
	"mortise/stack/oob"
	"mortise/stack/socket"
)

func (b *bench) listen(o socket.Options) *socket.Conn {
	b.Helper()
	c, err := socket.ListenPacket(o)
	b.ok(err)
	return c
}

// A goroutine receives and sends by the oob stage as by any net.PacketConn.
func TestConn(t *testing.T) {
	b := newBench(t)
	c := b.listen(socket.Options{Local: local(anywhere, 5000)})
	defer c.Close()
	b.arrive(b.site.From(), 40000, 5000, []byte("to a goroutine"))
	if socket.Pending() == 0 {
		t.Fatal("a message waits, and in-band is not to be woken")
	}
	socket.Deliver()
	if socket.Pending() != 0 {
		t.Error("in-band is to be woken again")
	}
	buf := make([]byte, 5)
	n, from, err := c.ReadFrom(buf)
	b.ok(err)
	want := net.UDPAddrFromAddrPort(netip.AddrPortFrom(b.peer, 40000))
	if string(buf[:n]) != "to a " || from.String() != want.String() {
		t.Errorf("ReadFrom = %q from %v, want the first five bytes from %v", buf[:n], from, want)
	}

	_, err = c.WriteTo([]byte("back"), from)
	if !errors.Is(err, socket.Unsolicited) {
		t.Errorf("WriteTo an unsolicited peer: %v", err)
	}
	b.ok(neigh.Set(untagged, b.peer, b.site.PeerMAC, false))
	if n, err := c.WriteTo([]byte("back"), from); n != 4 || err != nil {
		t.Fatalf("WriteTo = %d, %v", n, err)
	}
	sent := b.nic.Sent()
	if len(sent) != 1 || !bytes.Equal(sent[0][42:46], []byte("back")) {
		t.Errorf("sent %x", sent)
	}
	if _, err := c.WriteTo(make([]byte, socket.MaxDatagram+1), from); !errors.Is(err, socket.TooLong) {
		t.Errorf("too long: %v", err)
	}
	divert.Poll(0)
	b.checkPools(1, 0) // the one that was read goes back with the next that comes
	b.arrive(b.site.From(), 40000, 5000, nil)
	b.checkPools(1, 0)
}

// What was read goes back by itself when nothing more comes.
func TestConnReadGoesBackLater(t *testing.T) {
	b := newBench(t)
	socket.GiveAfter(time.Millisecond)
	c := b.listen(socket.Options{Local: local(anywhere, 5000)})
	for n := range pool {
		b.arrive(b.site.From(), 40000, 5000, numbered(n))
	}
	for range pool { // nothing else runs in the stage from here on
		b.ok(c.SetReadDeadline(time.Now().Add(10 * time.Second)))
		if _, _, err := c.ReadFrom(make([]byte, 8)); err != nil {
			t.Fatal(err)
		}
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		free := socket.PoolStats(oob.PortIndex(0, 0)).Free
		if free == pool {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d of %d buffers are free", free, pool)
		}
	}
}

// What goroutines have read does not keep a port's pool from who sends, whether or not more comes.
func TestConnReadGoesBack(t *testing.T) {
	b := newBench(t)
	c := b.listen(socket.Options{Local: local(anywhere, 5000)})
	b.ok(neigh.Set(untagged, b.peer, b.site.PeerMAC, false))
	for n := range pool {
		b.arrive(b.site.From(), 40000, 5000, numbered(n))
	}
	for range pool {
		b.ok(c.SetReadDeadline(time.Now().Add(10 * time.Second)))
		if _, _, err := c.ReadFrom(make([]byte, 8)); err != nil {
			t.Fatal(err)
		}
	}
	b.ok(c.WriteToAddrPort([]byte("answer"), netip.AddrPortFrom(b.peer, 40000)))
	divert.Poll(0)
	b.checkPools(0, 0)
}

// A socket that is opened while another one is closed is woken for what comes: it may have that one's number.
func TestConnCloseBesideOpen(t *testing.T) {
	b := newBench(t)
	stop := make(chan struct{})
	var others sync.WaitGroup
	others.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if c, err := socket.ListenPacket(socket.Options{Local: local(anywhere, 5002)}); err == nil {
				c.Close()
			}
		}
	})
	for n, end := 0, time.Now().Add(2*time.Second); time.Now().Before(end); n++ {
		c, err := socket.ListenPacket(socket.Options{Local: local(anywhere, 5003)})
		b.ok(err)
		for range 20 {
			runtime.Gosched()
		}
		if !socket.IsTold(c) {
			t.Errorf("after %d rounds: nobody wakes the socket", n)
			break
		}
		b.ok(c.Close())
	}
	close(stop)
	others.Wait()
}

// Deadlines and Close end a wait, with the errors that net's have.
func TestConnWait(t *testing.T) {
	b := newBench(t)
	c := b.listen(socket.Options{Local: local(anywhere, 5000)})
	b.ok(c.SetReadDeadline(time.Now().Add(-time.Second)))
	var timeout net.Error
	if _, _, err := c.ReadFrom(nil); !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("deadline in the past: %v", err)
	}
	b.ok(c.SetReadDeadline(time.Time{}))
	ended := make(chan error)
	read := func() {
		_, _, err := c.ReadFrom(make([]byte, 8))
		ended <- err
	}
	go read()
	b.ok(c.SetReadDeadline(time.Now().Add(time.Millisecond)))
	if err := <-ended; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("deadline set while it waits: %v", err)
	}
	b.ok(c.SetReadDeadline(time.Time{}))
	go read()
	b.ok(c.Close())
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed while it waits: %v", err)
	}
	if err := c.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed twice: %v", err)
	}
	if _, err := c.WriteTo(nil, &net.UDPAddr{IP: net.IPv4(1, 2, 3, 4), Port: 1}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("WriteTo a closed socket: %v", err)
	}
	b.arrive(b.site.From(), 40000, 5000, []byte("too late"))
	b.checkPools(0, 0)
}

// A goroutine that reads while frames come and the port goes down and up gets each message once, in order, and no buffer is lost.
func TestConnUnderLoad(t *testing.T) {
	b := newBench(t)
	c := b.listen(socket.Options{Local: local(anywhere, 5000)})
	const messages = 3000
	var wg sync.WaitGroup
	got := 0
	last := -1
	wg.Go(func() {
		buf := make([]byte, 8)
		for {
			n, _, err := c.ReadFromAddrPort(buf)
			if err != nil {
				return
			}
			v := int(buf[0])<<24 | int(buf[1])<<16 | int(buf[2])<<8 | int(buf[3])
			if n != 4 || v <= last {
				t.Errorf("message %d behind %d", v, last)
			}
			last = v
			got++
		}
	})
	// One stage's code at a time: what runs in-band here stands still while an activation would.
	for n := range messages {
		b.arrive(b.site.From(), 40000, 5000, numbered(n))
		socket.Deliver()
		if n%1000 == 500 {
			socket.ShutDown(oob.PortIndex(0, 0))
			socket.Up(oob.PortIndex(0, 0))
		}
	}
	for end := time.Now().Add(10 * time.Second); socket.List()[0].Queued > 0 && time.Now().Before(end); {
		socket.Deliver()
		time.Sleep(time.Millisecond)
	}
	n := socket.List()[0].Counters
	b.ok(c.Close())
	wg.Wait()
	if n[socket.Received]+n[socket.DroppedFull]+n[socket.DroppedBuffer] != messages || got == 0 || uint32(got) > n[socket.Received] {
		t.Errorf("%v of %d messages, %d read", n, messages, got)
	}
	b.checkPools(0, 0)
}
