// Package enet drives the ENET, the 10/100 Mb/s Ethernet MAC of NXP's i.MX 6UL and 6ULL, in two halves: Port moves frames
// (regs.go, ring.go, oob.go), Device does the rest (inband.go, mdio.go, stats.go, filter.go).
//
// Rings of 64 enhanced (IEEE 1588, 32-byte) descriptors, frames up to 1522 + 4 bytes, store and forward, RMII, full duplex
// at 100 Mb/s. The IEEE 1588 timer, if asked for (stamp.go, timer.go). PAUSE frames are not obeyed: a peer must not be able to stop oob replies. Frames with MAC errors are dropped
// in the FIFO (RACC.LINEDIS), so that they cost the oob stage nothing; what arrives all the same is checked and counted.
//
// Descriptors and buffers lie in Normal Non-cacheable memory (ARM DDI 0406C.d, A3.5): no cache maintenance, DMB between
// descriptor words, DSB ahead of RDAR and TDAR.
//
// The hardware filters by the MAC address, broadcast and two hashes; a hash takes strangers too, and QEMU filters nothing:
// the stacks compare addresses themselves.
//
// Stage: Port any, Device in-band. Follows: IMX6ULLRM, i.MX 6ULL Applications Processor Reference Manual, Rev 1, 2017/11,
// chapter 22; IEEE 802.3-2018, clause 22 (MDIO). Does not support: half duplex below what the MAC does by itself, checksum
// acceleration, adjusting the 1588 timer, its events, interrupt coalescing, PAUSE, wake-up, clause 45 MDIO.
package enet

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"mortise/drivers/mmio"
	"mortise/drivers/nic"
	"mortise/stack/frame"
)

// A Config says where a controller and its memory are. The board fills it in.
type Config struct {
	Name  string  // for messages: "ENET1"
	Base  uintptr // registers
	ClkHz uint32  // module clock (ipg), 66 MHz on the i.MX 6ULL: MDC is derived from it
	MAC   [6]byte

	Desc    uintptr // DescBytes of DMA memory for both rings, a multiple of DescAlign
	DescBus uint32  // the same as the device sees it
	Memory  frame.Memory

	// TxShift16: the transmit buffer starts with the pad, as the receive buffer does (TACC.SHIFT16), and so is a multiple
	// of 64. Set on silicon; QEMU does not know it. CAUTION: that the descriptor's length then includes the pad follows
	// from the manual (two octets more are written to the FIFO), and is not yet tried on hardware.
	TxShift16 bool
	// MIB: the device keeps MIB counters. QEMU does not.
	MIB bool
	// TimerHz is the rate of the clock that the IEEE 1588 timer counts by (ts_clk), a divisor of 1 GHz from 8 MHz on; 0: none.
	TimerHz uint32

	Clock nic.Clock // nil: nic.System
}

// A Device is the in-band half of a port.
type Device struct {
	hw  *Port
	cfg Config

	mu      sync.Mutex // guards what follows, and MMFR
	running bool
	timer   bool // StartTimer was called: it runs after each initialisation, if it counts at all
	link    nic.Link
	filter  hashes
	total   [numTotals]uint64
	last    [numTotals]uint32
}

var _ nic.Device = (*Device)(nil)

// New checks cfg and returns the in-band half of hw. It does not touch the device. All that is wrong is reported at once.
func New(hw *Port, cfg Config) (*Device, error) {
	if cfg.Clock == nil {
		cfg.Clock = nic.System
	}
	if err := cfg.check(); err != nil {
		return nil, err
	}
	return &Device{hw: hw, cfg: cfg, link: nic.Link{SpeedMbps: 100, FullDuplex: true}}, nil
}

func (cfg *Config) check() error {
	var errs []error
	want := func(ok bool, field string, value any, want string) {
		if !ok {
			errs = append(errs, &nic.ConfigError{Device: cfg.Name, Field: field, Value: value, Want: want})
		}
	}
	want(cfg.Name != "", "Name", cfg.Name, "a name")
	want(cfg.Base != 0 && cfg.Base%4 == 0, "Base", cfg.Base, "the address of the registers")
	want(mdcDivider(cfg.ClkHz) >= 1 && mdcDivider(cfg.ClkHz) <= 63, "ClkHz", cfg.ClkHz, "5000001 … 320000000 Hz")
	want(unicast(cfg.MAC), "MAC", cfg.MAC, "an individual address that is not zero")
	want(cfg.Desc != 0 && cfg.Desc%DescAlign == 0, "Desc", cfg.Desc, "an address that is a multiple of 64")
	want(cfg.DescBus%DescAlign == 0, "DescBus", cfg.DescBus, "an address that is a multiple of 64")
	want(cfg.Memory.Base != 0 && cfg.Memory.Base%64 == 0, "Memory.Base", cfg.Memory.Base, "an address that is a multiple of 64")
	want(cfg.Memory.Bus%64 == 0, "Memory.Bus", cfg.Memory.Bus, "an address that is a multiple of 64")
	want(cfg.Memory.Slots >= RingSize, "Memory.Slots", cfg.Memory.Slots, "at least one slot for each receive position (64)")
	want(cfg.TimerHz == 0 || cfg.TimerHz >= minTimerHz && timerPeriod%cfg.TimerHz == 0, "TimerHz", cfg.TimerHz, "a divisor of 1000000000 from 8000000 on")
	return errors.Join(errs...)
}

func unicast(mac [6]byte) bool { return mac[0]&1 == 0 && mac != [6]byte{} }

// Capabilities tells what the driver can do.
func (dev *Device) Capabilities() nic.Capabilities {
	return nic.Capabilities{
		OobCapable: true,
		RxRing:     RingSize,
		TxRing:     RingSize,
		MaxLen:     frame.MaxLen,
		HashFilter: true,
		MIB:        dev.cfg.MIB,
	}
}

// Check returns an error when a running controller has stopped by itself: a bus error of its DMA clears ECR.ETHEREN
// (EIR.EBERR), and only Reinit helps. It may be called while another stage drives the port.
func (dev *Device) Check() error {
	dev.mu.Lock()
	defer dev.mu.Unlock()
	if !dev.running || dev.read(ECR)&ECR_ETHEREN != 0 {
		return nil
	}
	return fmt.Errorf("%s: controller stopped: ECR = %#08x, EIR = %#08x, want ETHEREN: bus error of the DMA if EBERR (bit 22)",
		dev.cfg.Name, dev.read(ECR), dev.read(EIR))
}

// wait polls a register until mask & value equals want, and returns a nic.TimeoutError that names it after limit.
func (dev *Device) wait(off uintptr, mask, want uint32, limit time.Duration, register, state string) error {
	var v uint32
	if nic.Poll(dev.cfg.Clock, limit, pollPause, func() bool {
		v = mmio.Read(dev.cfg.Base + off)
		return v&mask == want
	}) {
		return nil
	}
	return &nic.TimeoutError{Device: dev.cfg.Name, Register: register, Value: v, Want: state, After: limit}
}

func (dev *Device) read(off uintptr) uint32     { return mmio.Read(dev.cfg.Base + off) }
func (dev *Device) write(off uintptr, v uint32) { mmio.Write(dev.cfg.Base+off, v) }
