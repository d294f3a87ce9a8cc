// Package virt is QEMU's generic ARM machine as a board, -M virt,gic-version=3 with Cortex-A53 processors: memory map,
// console, timer, interrupt controller. It is no product: it is where arm64 is tested, on an emulated machine that every QEMU
// has. It implements the board's part of TamaGo's runtime/goos contract on TamaGo's arm64 package.
//
// Stage: in-band, before the oob stage starts. Follows: QEMU's documentation of the machine ("virt" generic virtual platform,
// 7.2 and 10.0) and the device tree that it generates (-M dumpdtb=FILE) for addresses and interrupts; ARM DDI 0487
// (ARMv8-A ARM), ARM IHI 0069 (GICv3), ARM DDI 0183 (PL011), ARM DEN 0022 (PSCI). On the host the package has its name alone.
// Does not support: network controllers (yet), more than one processor, KVM (caches are not maintained), the device tree,
// the real-time clock.
package virt

// Name is the board's name in configurations and messages.
const Name = "virt"
