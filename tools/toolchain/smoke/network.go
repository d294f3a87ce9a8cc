//go:build tamago

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"time"
)

func init() {
	register(
		check{"net without SocketFunc", noSocketFunc},
		check{"net over SocketFunc", sockets},
		check{"http over SocketFunc", web},
	)
}

// wire is a network in memory: what a real stack gives to net.SocketFunc.
type wire struct {
	sync.Mutex
	listeners map[int]*wireListener
	packets   map[int]*wirePacketConn
	port      int
}

func newWire() *wire {
	return &wire{listeners: map[int]*wireListener{}, packets: map[int]*wirePacketConn{}, port: 40000}
}

func (w *wire) socket(ctx context.Context, network string, family, sotype int, laddr, raddr net.Addr) (interface{}, error) {
	w.Lock()
	defer w.Unlock()

	w.port++

	switch {
	case family != syscall.AF_INET:
		return nil, syscall.EAFNOSUPPORT
	case sotype == syscall.SOCK_STREAM && raddr == nil:
		at := *laddr.(*net.TCPAddr)
		if at.Port == 0 {
			at.Port = w.port
		}
		l := &wireListener{addr: &at, conns: make(chan net.Conn, 8), closed: make(chan struct{})}
		w.listeners[at.Port] = l
		return l, nil
	case sotype == syscall.SOCK_STREAM:
		to := raddr.(*net.TCPAddr)
		l := w.listeners[to.Port]
		if l == nil {
			return nil, syscall.ECONNREFUSED
		}
		from := &net.TCPAddr{IP: net.IPv4(10, 0, 0, 2), Port: w.port}
		a, b := net.Pipe()
		l.conns <- wireConn{b, to, from}
		return wireConn{a, from, to}, nil
	case sotype == syscall.SOCK_DGRAM:
		c := &wirePacketConn{wire: w, in: make(chan wirePacket, 8), addr: &net.UDPAddr{IP: net.IPv4(10, 0, 0, 1), Port: w.port}}
		if u, ok := laddr.(*net.UDPAddr); ok && u.Port != 0 {
			c.addr.Port = u.Port
		}
		w.packets[c.addr.Port] = c
		return c, nil
	default:
		return nil, syscall.EPROTONOSUPPORT
	}
}

type wireConn struct {
	net.Conn
	local, remote net.Addr
}

func (c wireConn) LocalAddr() net.Addr  { return c.local }
func (c wireConn) RemoteAddr() net.Addr { return c.remote }

type wireListener struct {
	addr   net.Addr
	conns  chan net.Conn
	close  sync.Once
	closed chan struct{}
}

func (l *wireListener) Addr() net.Addr { return l.addr }
func (l *wireListener) Close() error {
	l.close.Do(func() { close(l.closed) })
	return nil
}

func (l *wireListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: net.ErrClosed}
	}
}

type wirePacket struct {
	data []byte
	from net.Addr
}

type wirePacketConn struct {
	wire *wire
	addr *net.UDPAddr
	in   chan wirePacket
}

func (c *wirePacketConn) LocalAddr() net.Addr                { return c.addr }
func (c *wirePacketConn) Close() error                       { return nil }
func (c *wirePacketConn) SetDeadline(t time.Time) error      { return nil }
func (c *wirePacketConn) SetReadDeadline(t time.Time) error  { return nil }
func (c *wirePacketConn) SetWriteDeadline(t time.Time) error { return nil }

func (c *wirePacketConn) ReadFrom(p []byte) (int, net.Addr, error) {
	in := <-c.in
	return copy(p, in.data), in.from, nil
}

func (c *wirePacketConn) WriteTo(p []byte, to net.Addr) (int, error) {
	c.wire.Lock()
	peer := c.wire.packets[to.(*net.UDPAddr).Port]
	c.wire.Unlock()
	if peer != nil {
		peer.in <- wirePacket{append([]byte{}, p...), c.addr}
	}
	return len(p), nil
}

func noSocketFunc() error {
	net.SocketFunc = nil
	_, err := net.Dial("tcp", "10.0.0.1:80")
	if err == nil || !strings.Contains(err.Error(), "net.SocketFunc is nil") {
		return fmt.Errorf("Dial gave %v", err)
	}
	return nil
}

func sockets() error {
	net.SocketFunc = newWire().socket

	if _, err := net.Dial("tcp", "10.0.0.1:81"); !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("Dial to a closed port gave %v", err)
	}

	l, err := net.Listen("tcp", ":7")
	if err != nil {
		return err
	}
	go func() {
		c, err := l.Accept()
		if err == nil {
			io.Copy(c, c)
			c.Close()
		}
	}()

	c, err := net.DialTimeout("tcp", "10.0.0.1:7", time.Second)
	if err != nil {
		return err
	}
	if got := c.RemoteAddr().String(); got != "10.0.0.1:7" {
		return fmt.Errorf("remote address %s", got)
	}
	if got := c.LocalAddr().(*net.TCPAddr); !got.IP.Equal(net.IPv4(10, 0, 0, 2)) {
		return fmt.Errorf("local address %s", got)
	}
	fmt.Fprint(c, "echo")
	buf := make([]byte, 4)
	if _, err := io.ReadFull(c, buf); err != nil || string(buf) != "echo" {
		return fmt.Errorf("echo gave %q, %v", buf, err)
	}
	c.SetReadDeadline(time.Now().Add(5 * time.Millisecond))
	var timeout net.Error
	if _, err := c.Read(buf); !errors.As(err, &timeout) || !timeout.Timeout() {
		return fmt.Errorf("read past the deadline gave %v", err)
	}
	c.Close()
	l.Close()
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("Accept after Close gave %v", err)
	}

	a, err := net.ListenUDP("udp", &net.UDPAddr{Port: 9})
	if err != nil {
		return err
	}
	b, err := net.Dial("udp", "10.0.0.1:9")
	if err != nil {
		return err
	}
	fmt.Fprint(b, "ping")
	n, from, err := a.ReadFromUDPAddrPort(buf)
	if err != nil || string(buf[:n]) != "ping" {
		return fmt.Errorf("received %q from %v, %v", buf[:n], from, err)
	}
	if _, err := a.WriteToUDPAddrPort([]byte("pong"), from); err != nil {
		return err
	}
	if n, err := b.Read(buf); err != nil || string(buf[:n]) != "pong" {
		return fmt.Errorf("received %q, %v", buf[:n], err)
	}

	return nil
}

func web() error {
	net.SocketFunc = newWire().socket

	l, err := net.Listen("tcp", ":80")
	if err != nil {
		return err
	}
	defer l.Close()
	go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "you asked for %s", r.URL.Path)
	}))

	r, err := http.Get("http://10.0.0.1/path")
	if err != nil {
		return err
	}
	defer r.Body.Close()
	if body, err := io.ReadAll(r.Body); err != nil || string(body) != "you asked for /path" {
		return fmt.Errorf("body %q, %v", body, err)
	}
	http.DefaultClient.CloseIdleConnections()

	return nil
}
