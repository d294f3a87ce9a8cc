//go:build tamago && mortise.preempt

package main

import (
	"github.com/usbarmory/tamago/soc/nxp/imx6ul"

	"mortise/drivers/gic"
	"mortise/drivers/tick"
)

func start(isr func()) {
	hw := &gic.GIC{Dist: 0x00a01000, CPU: 0x00a02000}
	hw.Init()
	tick.Start(imx6ul.ARM, hw, isr)
}
