//go:build tamago && load_reload

package main

import (
	"bytes"
	"fmt"
	"log"
	"time"

	"mortise"
)

func init() {
	loads = append(loads, func(g *gatewayImage) { go g.reload() })
}

// reload applies the configuration and one with an accept rule more by turns, without a pause but for other goroutines'
// sake, and says once a second how often, so that a bench sees on the console that there was load.
func (g *gatewayImage) reload() {
	const (
		pause = time.Millisecond
		echo  = `{ protocol = "udp", port = 7 },`
		more  = `{ protocol = "udp", port = 4711 },` // nobody's
	)
	texts := [2][]byte{mortise.GatewayTOML, bytes.Replace(mortise.GatewayTOML, []byte(echo), []byte(echo+more), 1)}
	if bytes.Equal(texts[0], texts[1]) {
		log.Printf("load: reload: no accept rule %s in the configuration", echo)
		return
	}
	told := time.Now()
	for n := 1; ; n++ {
		if err := g.apply(texts[n%2]); err != nil {
			log.Printf("load: reload: %v", err)
			return
		}
		if now := time.Now(); n == 1 || now.Sub(told) >= time.Second {
			fmt.Printf("load: reload %d\n", n)
			told = now
		}
		time.Sleep(pause)
	}
}
