//go:build tamago && arm64

package virt

import (
	"fmt"
	"math/rand/v2"
	"runtime/goos"
	_ "unsafe" // go:linkname

	"github.com/usbarmory/tamago/arm64"

	"mortise/drivers/gic"
)

// CPU is the processor core. An offset other than 0 tells TamaGo that time is set.
var CPU = &arm64.CPU{TimerOffset: 1}

// GIC is the interrupt controller, ready after Init.
var GIC = gic.GICv3{Dist: 0x08000000, Redist: 0x080a0000}

//go:linkname hwinit1 runtime/goos.Hwinit1
func hwinit1() {
	CPU.Init()
	CPU.EnableCache()
	CPU.InitGenericTimers(0, 0) // CNTFRQ is set
	initConsole()
	goos.Exit = func(int32) { PowerOff() }
}

// Init sets up what the runtime does not need: the memory map's DMA section and guards, the interrupt controller, idle
// times.
//
//oob:stage init
func Init() error {
	mapMemory()
	if stuck := GIC.Init(); stuck != "" {
		return fmt.Errorf("virt: interrupt controller: %s does not follow", stuck)
	}
	initIdle()
	return nil
}

//go:linkname nanotime runtime/goos.Nanotime
func nanotime() int64 { return CPU.GetTime() }

var random rand.ChaCha8

// CAUTION: the seed is the time, as with TamaGo's emulated boards. Never use an emulator's keys.
//
//go:linkname initRNG runtime/goos.InitRNG
func initRNG() {
	var seed [32]byte
	for i, t := 0, CPU.Counter(); i < 8; i++ {
		seed[i] = byte(t >> (8 * i))
	}
	random.Seed(seed)
}

//go:linkname getRandomData runtime/goos.GetRandomData
func getRandomData(b []byte) { random.Read(b) }

// PowerOff ends the emulator, Reset restarts the machine, by PSCI (5.1.8 and 5.1.9, ARM DEN 0022).
func PowerOff() { psci(0x84000008) }

// Reset restarts the machine; see PowerOff.
func Reset() { psci(0x84000009) }

// psci calls a function of PSCI's by HVC. It does not return from these.
func psci(function uint64)
