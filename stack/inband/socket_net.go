//go:build tamago

package inband

import "net"

// ServeNet makes this stack the one that Go's net package uses.
func (s *Stack) ServeNet() { net.SocketFunc = s.Socket }
