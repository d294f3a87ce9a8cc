//go:build tamago && load_bulk

package main

import (
	"fmt"
	"log"
	"net"

	"mortise/image/bulk"
)

func init() {
	loads = append(loads, func(*gatewayImage) {
		go serveBulk(bulk.DiscardPort, bulk.Discard)
		go serveBulk(bulk.GeneratePort, bulk.Generate)
	})
}

// serveBulk is load when a peer makes it so: it waits until one connects.
func serveBulk(port int, serve func(net.Listener) error) {
	l, err := net.Listen("tcp", fmt.Sprintf(":%d", port))
	if err != nil {
		log.Fatalf("load: %v", err)
	}
	log.Printf("load: %v", serve(l))
}
