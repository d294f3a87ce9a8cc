//go:build tamago && load_gc

package main

import "mortise/image/churn"

func init() {
	loads = append(loads, func(*gatewayImage) { churn.Start(false) })
}
