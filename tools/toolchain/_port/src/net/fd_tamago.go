// This file is part of Mortise's port of GOOS=tamago.

//go:build tamago

package net

import (
	"internal/poll"
	"io"
	"os"
	"syscall"
	"time"
)

// netFD is a socket made by SocketFunc.
type netFD struct {
	pfd poll.FD // never open: there are no descriptors

	// immutable until Close
	family      int
	sotype      int
	isConnected bool
	net         string
	laddr       Addr
	raddr       Addr

	// One of them, or conn and packet for a datagram socket.
	listener Listener
	conn     Conn
	packet   PacketConn
}

func (fd *netFD) name() string { return fd.net }

func (fd *netFD) setAddr(laddr, raddr Addr) {
	fd.laddr = laddr
	fd.raddr = raddr
}

// deadliner is what a listener with deadlines has.
type deadliner interface {
	SetDeadline(t time.Time) error
}

func (fd *netFD) accept() (*netFD, error) {
	if fd.listener == nil {
		return nil, unsupported("accept")
	}
	c, err := fd.listener.Accept()
	if err != nil {
		return nil, inner(err)
	}
	a := &netFD{family: fd.family, sotype: fd.sotype, net: fd.net, isConnected: true, conn: c}
	a.setAddr(a.concrete(c.LocalAddr(), fd.laddr), a.concrete(c.RemoteAddr()))
	return a, nil
}

func (fd *netFD) Close() error {
	switch {
	case fd.listener != nil:
		return inner(fd.listener.Close())
	case fd.conn != nil:
		return inner(fd.conn.Close())
	case fd.packet != nil:
		return inner(fd.packet.Close())
	}
	return nil
}

func (fd *netFD) closeRead() error {
	if c, ok := fd.conn.(interface{ CloseRead() error }); ok {
		return inner(c.CloseRead())
	}
	return unsupported("closeRead")
}

func (fd *netFD) closeWrite() error {
	if c, ok := fd.conn.(interface{ CloseWrite() error }); ok {
		return inner(c.CloseWrite())
	}
	return unsupported("closeWrite")
}

func (fd *netFD) Read(p []byte) (n int, err error) {
	switch {
	case fd.conn != nil:
		n, err = fd.conn.Read(p)
	case fd.packet != nil:
		n, _, err = fd.packet.ReadFrom(p)
	default:
		err = unsupported("read")
	}
	return n, inner(err)
}

func (fd *netFD) Write(p []byte) (n int, err error) {
	switch {
	case fd.conn != nil:
		n, err = fd.conn.Write(p)
	case fd.packet != nil && fd.raddr != nil:
		n, err = fd.packet.WriteTo(p, fd.raddr)
	default:
		err = unsupported("write")
	}
	return n, inner(err)
}

func (fd *netFD) SetDeadline(t time.Time) error {
	switch {
	case fd.conn != nil:
		return inner(fd.conn.SetDeadline(t))
	case fd.packet != nil:
		return inner(fd.packet.SetDeadline(t))
	}
	if l, ok := fd.listener.(deadliner); ok {
		return inner(l.SetDeadline(t))
	}
	return os.ErrNoDeadline
}

func (fd *netFD) SetReadDeadline(t time.Time) error {
	switch {
	case fd.conn != nil:
		return inner(fd.conn.SetReadDeadline(t))
	case fd.packet != nil:
		return inner(fd.packet.SetReadDeadline(t))
	}
	return os.ErrNoDeadline
}

func (fd *netFD) SetWriteDeadline(t time.Time) error {
	switch {
	case fd.conn != nil:
		return inner(fd.conn.SetWriteDeadline(t))
	case fd.packet != nil:
		return inner(fd.packet.SetWriteDeadline(t))
	}
	return os.ErrNoDeadline
}

func (fd *netFD) dup() (*os.File, error) { return nil, unsupported("dup") }

// The datagram methods. Package net hands over system addresses here.

func (fd *netFD) receive(p []byte) (int, Addr, error) {
	if fd.packet == nil {
		n, err := fd.Read(p)
		return n, fd.raddr, err
	}
	n, from, err := fd.packet.ReadFrom(p)
	if err == io.EOF {
		err = ErrClosed
	}
	return n, from, inner(err)
}

func (fd *netFD) send(p []byte, to Addr) (int, error) {
	if to == nil || fd.packet == nil {
		return fd.Write(p)
	}
	n, err := fd.packet.WriteTo(p, to)
	return n, inner(err)
}

func (fd *netFD) readFrom(p []byte) (int, syscall.Sockaddr, error) {
	n, from, err := fd.receive(p)
	if err != nil || from == nil {
		return n, nil, err
	}
	if a, ok := from.(sockaddr); ok {
		sa, err := a.sockaddr(fd.family)
		return n, sa, err
	}
	sa, err := fd.concrete(from).(sockaddr).sockaddr(fd.family)
	return n, sa, err
}

func (fd *netFD) readFromInet4(p []byte, to *syscall.SockaddrInet4) (int, error) {
	n, sa, err := fd.readFrom(p)
	if sa, ok := sa.(*syscall.SockaddrInet4); ok {
		*to = *sa
	}
	return n, err
}

func (fd *netFD) readFromInet6(p []byte, to *syscall.SockaddrInet6) (int, error) {
	n, sa, err := fd.readFrom(p)
	if sa, ok := sa.(*syscall.SockaddrInet6); ok {
		*to = *sa
	}
	return n, err
}

func (fd *netFD) readMsg(p, oob []byte, flags int) (n, oobn, retflags int, sa syscall.Sockaddr, err error) {
	n, sa, err = fd.readFrom(p)
	return
}

func (fd *netFD) readMsgInet4(p, oob []byte, flags int, sa *syscall.SockaddrInet4) (n, oobn, retflags int, err error) {
	n, err = fd.readFromInet4(p, sa)
	return
}

func (fd *netFD) readMsgInet6(p, oob []byte, flags int, sa *syscall.SockaddrInet6) (n, oobn, retflags int, err error) {
	n, err = fd.readFromInet6(p, sa)
	return
}

func (fd *netFD) writeTo(p []byte, sa syscall.Sockaddr) (int, error) {
	if sa == nil {
		return fd.send(p, nil)
	}
	return fd.send(p, fd.addrFunc()(sa))
}

func (fd *netFD) writeToInet4(p []byte, sa *syscall.SockaddrInet4) (int, error) {
	return fd.writeTo(p, sa)
}

func (fd *netFD) writeToInet6(p []byte, sa *syscall.SockaddrInet6) (int, error) {
	return fd.writeTo(p, sa)
}

func (fd *netFD) writeMsg(p, oob []byte, sa syscall.Sockaddr) (n, oobn int, err error) {
	if len(oob) > 0 {
		return 0, 0, unsupported("writeMsg")
	}
	n, err = fd.writeTo(p, sa)
	return
}

func (fd *netFD) writeMsgInet4(p, oob []byte, sa *syscall.SockaddrInet4) (n, oobn int, err error) {
	if sa == nil {
		return fd.writeMsg(p, oob, nil)
	}
	return fd.writeMsg(p, oob, sa)
}

func (fd *netFD) writeMsgInet6(p, oob []byte, sa *syscall.SockaddrInet6) (n, oobn int, err error) {
	if sa == nil {
		return fd.writeMsg(p, oob, nil)
	}
	return fd.writeMsg(p, oob, sa)
}
