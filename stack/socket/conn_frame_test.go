package socket_test

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"mortise/stack/divert"
	"mortise/stack/oob"
	"mortise/stack/socket"
	"mortise/stack/wire/wiretest"
)

// frames opens a raw socket for a goroutine.
func (b *bench) frames(etherType uint16, o socket.Options) *socket.Conn {
	b.Helper()
	c, err := socket.ListenFrames(etherType, o)
	b.ok(err)
	return c
}

// A goroutine's frames go out as a task's do: with the port's tag, or the one that they have if it is the port's; or not at all.
func TestWriteFrame(t *testing.T) {
	b := newBench(t)
	onVLAN, plain := b.frames(0x88a4, socket.Options{Device: &vlan, PCP: 5}), b.frames(socket.AllFrames, socket.Options{Device: &untagged})
	marked := func(pcp byte, vid, typ uint16, n int) []byte {
		f := b.tagged(vid, typ, n)
		f[14] |= pcp << 5
		return f
	}
	for _, c := range []struct {
		name string
		c    *socket.Conn
		f    []byte
		sent []byte
		want error
	}{
		{"no tag", onVLAN, b.tagged(0, 0x88a4, 100), marked(5, b.site.VID, 0x88a4, 100), nil},
		{"another EtherType", onVLAN, b.tagged(0, 0x8892, 1500), marked(5, b.site.VID, 0x8892, 1500), nil},
		{"the port's tag", onVLAN, marked(2, b.site.VID, 0x88a4, 1500), marked(2, b.site.VID, 0x88a4, 1500), nil},
		{"short", onVLAN, b.tagged(0, 0x88a4, 3), append(marked(5, b.site.VID, 0x88a4, 3), make([]byte, 39)...), nil},
		{"no VLAN", plain, b.tagged(0, 0x88a4, 1500), b.tagged(0, 0x88a4, 1500), nil},
		{"a priority tag", plain, priority(b.tagged(1, 0x88a4, 1500)), priority(b.tagged(1, 0x88a4, 1500)), nil},
		{"another VLAN", onVLAN, b.tagged(43, 0x88a4, 100), nil, socket.WrongTag},
		{"a VLAN, by a port without", plain, b.tagged(b.site.VID, 0x88a4, 100), nil, socket.WrongTag},
		{"nothing", onVLAN, nil, nil, socket.Invalid},
		{"13 bytes", onVLAN, make([]byte, 13), nil, socket.Invalid},
		{"half a tag", onVLAN, b.tagged(b.site.VID, 0x88a4, 0)[:17], nil, socket.Invalid},
		{"1,501 bytes", onVLAN, b.tagged(0, 0x88a4, 1501), nil, socket.TooLong},
		{"1,501 bytes behind a tag", onVLAN, b.tagged(b.site.VID, 0x88a4, 1501), nil, socket.TooLong},
		{"64 KiB", onVLAN, b.tagged(0, 0x88a4, 1<<16), nil, socket.TooLong},
		{"64 KiB behind a tag", onVLAN, b.tagged(b.site.VID, 0x88a4, 1<<16), nil, socket.TooLong},
	} {
		before := b.counters(c.c)
		if err := c.c.WriteFrame(c.f); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		sent := b.sent()
		if c.sent == nil && len(sent) != 0 || c.sent != nil && (len(sent) != 1 || !bytes.Equal(sent[0], c.sent)) {
			t.Errorf("%s: sent %x, want %x", c.name, sent, c.sent)
		}
		if after := b.counters(c.c); after[socket.Sent]+after[socket.FailedSend] != before[socket.Sent]+before[socket.FailedSend]+1 {
			t.Errorf("%s: counters %v, were %v", c.name, after, before)
		}
		b.checkPools(0, 0)
	}
	u := b.listen(socket.Options{Local: local(anywhere, 5000)})
	if err := u.WriteFrame(b.tagged(0, 0x88a4, 100)); !errors.Is(err, socket.NotRaw) {
		t.Errorf("a UDP socket: %v", err)
	}
	b.ok(onVLAN.Close())
	if err := onVLAN.WriteFrame(b.tagged(0, 0x88a4, 100)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

// counters returns those of a goroutine's socket: of the one with its address.
func (b *bench) counters(c *socket.Conn) [socket.NumCounters]uint32 {
	b.Helper()
	a := c.LocalAddr().(*socket.FrameAddr)
	for _, s := range socket.List() {
		if s.Raw && s.Local.Port() == a.EtherType {
			return s.Counters
		}
	}
	b.Fatalf("no socket with the address %v", a)
	return [socket.NumCounters]uint32{}
}

// WriteFrame waits for room up to its deadline, and not without one; what goroutines have read does not stand in its way.
func TestWriteFrameWaits(t *testing.T) {
	b := newBench(t)
	c := b.frames(0x88a4, socket.Options{Device: &vlan})
	f := b.tagged(0, 0x88a4, 100)
	for range pool {
		b.bring(b.tagged(b.site.VID, 0x88a4, 46))
	}
	for range pool {
		if _, err := c.ReadMessage(make([]byte, 9)); err != nil {
			t.Fatal(err)
		}
	}
	b.checkPools(0, pool)
	b.ok(c.WriteFrame(f))
	b.sent()
	b.checkPools(0, 0)

	writer := b.openRaw(0x88b5, socket.Options{Device: &vlan})
	var held [pool]socket.Message
	for i := range held {
		if got := writer.ComposeFrame(&held[i]); got != socket.OK {
			t.Fatal(got)
		}
	}
	if err := c.WriteFrame(f); !errors.Is(err, socket.NoBuffer) {
		t.Errorf("no buffer: %v", err)
	}
	b.ok(c.SetWriteDeadline(time.Now().Add(20 * time.Millisecond)))
	if err := c.WriteFrame(f); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("no buffer until the deadline: %v", err)
	}
	b.ok(c.SetWriteDeadline(time.Time{}))
	for i := range held {
		held[i].Release()
	}
	b.dev.Divert(false)
	if err := c.WriteFrame(f); !errors.Is(err, socket.Busy) {
		t.Errorf("the device is in-band's: %v", err)
	}
	socket.Pause(oob.PortIndex(0, 1))
	if err := c.WriteFrame(f); !errors.Is(err, socket.Down) {
		t.Errorf("the port is down: %v", err)
	}
	socket.Up(oob.PortIndex(0, 1))
	b.dev.Divert(true)
	b.ok(c.WriteFrame(f))
	if n := len(b.sent()); n != 1 {
		t.Errorf("%d frames sent", n)
	}
	divert.Poll(0)
	b.checkPools(0, 0)
}

// The address of a raw socket is its port's name and its EtherType; what it reads is from there, and who sent it stands in the frame.
func TestFrameAddr(t *testing.T) {
	b := newBench(t)
	socket.ShutDown(1)
	p := b.port(1)
	p.Text = "rt0.42"
	b.ok(socket.SetPort(1, p))
	socket.Up(1)
	for _, c := range []struct {
		etherType uint16
		o         socket.Options
		want      string
	}{
		{0x88a4, socket.Options{Device: &vlan}, "rt0.42, EtherType 0x88a4"},
		{socket.AllFrames, socket.Options{Device: &vlan}, "rt0.42, all frames"},
		{0x88a4, socket.Options{Device: &untagged}, "device 0, VLAN 0, EtherType 0x88a4"}, // the bench gives it no name
	} {
		conn := b.frames(c.etherType, c.o)
		if a := conn.LocalAddr(); a.Network() != "oob" || a.String() != c.want {
			t.Errorf("%v, %q, want %q", a.Network(), a, c.want)
		}
		f := b.tagged(uint16(c.o.Device.VID()), 0x88a4, 46)
		b.bring(f)
		buf := make([]byte, 1522)
		if n, from, err := conn.ReadFrom(buf); err != nil || from != conn.LocalAddr() || !bytes.Equal(buf[:n], f) {
			t.Errorf("%s: %x from %v, %v", c.want, buf[:n], from, err)
		}
		b.bring(f)
		if r, err := conn.ReadMessage(buf[:20]); err != nil || r.N != 20 || r.Whole != len(f) || r.From.IsValid() || r.Local.IsValid() {
			t.Errorf("%s: %+v, %v", c.want, r, err)
		}
		b.ok(conn.SetReadDeadline(time.Now().Add(-time.Second)))
		var e *net.OpError
		if _, _, err := conn.ReadFrom(buf); !errors.As(err, &e) || e.Net != "oob" || e.Source != conn.LocalAddr() {
			t.Errorf("%s: %v", c.want, err)
		}
		b.ok(conn.Close())
	}
	u := b.listen(socket.Options{Local: local(b.site.VAddr, 5000)})
	if a := u.LocalAddr(); a.Network() != "udp" || a.String() != netip.AddrPortFrom(netip.AddrFrom4(b.site.VAddr), 5000).String() {
		t.Errorf("a UDP socket: %v, %v", a.Network(), a)
	}
}

// Goroutines exchange frames by the loopback port: who waits for one is woken.
func TestLoopbackFrames(t *testing.T) {
	b := newBench(t)
	b.loopback()
	c := b.frames(0x88b5, socket.Options{Device: &lo})
	got := make(chan []byte)
	go func() {
		buf := make([]byte, 1522)
		for {
			r, err := c.ReadMessage(buf)
			if err != nil {
				close(got)
				return
			}
			got <- bytes.Clone(buf[:r.N])
		}
	}()
	d := b.frames(0x88b6, socket.Options{Device: &lo})
	for n := range 20 {
		f := append(b.tagged(0, 0x88b5, 100), wiretest.Payload(n, byte(n))...)
		b.ok(d.WriteFrame(f))
		select {
		case g := <-got:
			if !bytes.Equal(g, f) {
				t.Fatalf("frame %d: %x, want %x", n, g, f)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("frame %d: nothing came", n)
		}
	}
	b.ok(c.Close())
	b.ok(d.Close())
	<-got
	if free() != pool {
		t.Errorf("%d of %d buffers are free", free(), pool)
	}
}
