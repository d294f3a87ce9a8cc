// Package bulk has the TCP services that in-band's cost is measured with: the same code in our firmware (LOAD=bulk) and in
// the one of stock TamaGo that it is compared with (image/stockpeer).
//
// Stage: in-band. Follows: RFC 863 (discard); RFC 864 (character generator), but for the characters. Does not support:
// anything but tests.
package bulk

import "net"

// Ports of the services.
const (
	DiscardPort  = 9
	GeneratePort = 19
)

// bufferSize in bytes: a choice; several full-size segments a call.
const bufferSize = 32 << 10

// Discard reads what comes on each connection of l, until l is closed.
func Discard(l net.Listener) error {
	return serve(l, net.Conn.Read)
}

// Generate writes to each connection of l as much as it takes, until l is closed.
func Generate(l net.Listener) error {
	return serve(l, net.Conn.Write)
}

func serve(l net.Listener, move func(net.Conn, []byte) (int, error)) error {
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer c.Close()
			b := make([]byte, bufferSize)
			for {
				if _, err := move(c, b); err != nil {
					return
				}
			}
		}()
	}
}
