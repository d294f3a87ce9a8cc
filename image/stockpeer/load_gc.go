//go:build tamago && load_gc

package main

import "mortise/image/churn"

// It yields after every tree, without which this firmware answers nothing.
func init() {
	loads = append(loads, func() { churn.Start(true) })
}
