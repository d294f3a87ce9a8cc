// This file is part of Mortise's port of GOOS=tamago.

//go:build tamago

package net

import "syscall"

// Socket options go to the connection where it has a method for them.

func setReadBuffer(fd *netFD, bytes int) error {
	if c, ok := fd.conn.(interface{ SetReadBuffer(bytes int) error }); ok {
		return inner(c.SetReadBuffer(bytes))
	}
	return syscall.ENOPROTOOPT
}

func setWriteBuffer(fd *netFD, bytes int) error {
	if c, ok := fd.conn.(interface{ SetWriteBuffer(bytes int) error }); ok {
		return inner(c.SetWriteBuffer(bytes))
	}
	return syscall.ENOPROTOOPT
}

func setKeepAlive(fd *netFD, keepalive bool) error {
	if c, ok := fd.conn.(interface{ SetKeepAlive(keepalive bool) error }); ok {
		return inner(c.SetKeepAlive(keepalive))
	}
	return syscall.ENOPROTOOPT
}

func setLinger(fd *netFD, sec int) error {
	if c, ok := fd.conn.(interface{ SetLinger(sec int) error }); ok {
		return inner(c.SetLinger(sec))
	}
	return syscall.ENOPROTOOPT
}
