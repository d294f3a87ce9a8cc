//go:build tamago && load_reload

package main

import (
	"fmt"
	"log"
	"time"

	"mortise"
)

func init() {
	loads = append(loads, func(g *gatewayImage) { go g.reload() })
}

// reload applies the configuration again, without a pause but for other goroutines' sake, and says once a second how often,
// so that a bench sees on the console that there was load.
func (g *gatewayImage) reload() {
	const pause = time.Millisecond
	told := time.Now()
	for n := 1; ; n++ {
		if err := g.apply(mortise.GatewayTOML); err != nil {
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
