//go:build tamago && arm64 && virt

package main

import (
	"mortise/board/virt"
	"mortise/drivers/tick"
)

// With the tag virt the board is ours, which every QEMU has: TamaGo's takes QEMU 10.
func start(isr func()) {
	if err := virt.Init(); err != nil {
		panic(err)
	}
	tick.Start(virt.CPU, &virt.GIC, isr)
}
