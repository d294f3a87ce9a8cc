// Package stock carries a device with a driver that is not oob-capable: any that receives and transmits a frame by a call, as
// TamaGo's do. The driver stays as it is, and runs in-band, in a goroutine (Run); so whatever holds in-band back holds its
// frames back: the device is not real-time, and is marked so wherever it is shown.
//
// The oob stage is the same for it. Its frames pass the rings of an enet.Port, of which the goroutine serves the far end
// (enet.Far): it receives into the slots of the receive ring, tells the oob stage (Config.Arrived, a software interrupt of the
// device's own in the place of the controller's), and transmits from the slots of the transmit ring. Companion core, diversion,
// forwarding, sockets, budgets, fault containment and counters are those of every other device, to the instruction, and
// an oob-capable device beside it pays nothing for it. A frame is copied by the driver alone.
//
// The other reading of "stock", the companion core called by the goroutine itself, would take a lock that the FIQ cannot wait
// for, or a second core beside the one of the oob-capable devices: forwarding, neighbours and sockets across the two would
// end. What it would save is less than an activation, which for an echo takes 721 of the 13,773 instructions from wire to
// wire (QEMU 7.2.22, go run ./tools/bench -case '^stock$', 2026-11-22).
//
// Everything is bounded: both rings (enet.RingSize), the frames of a round (batch), the time for which a driver may refuse a frame (txLimit).
// A frame that the receive ring has no room for stays with the driver, which drops by itself when its own ring is full.
//
// Stage: in-band. Follows: github.com/usbarmory/tamago v1.26.5, soc/nxp/enet (the shape of Driver). Does not support: another speed
// than the driver's, a shutdown of the driver.
package stock

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"mortise/drivers/enet"
	"mortise/drivers/mmio"
	"mortise/drivers/nic"
)

// A Driver receives and transmits frames without FCS. One goroutine calls both.
type Driver interface {
	// Receive puts the next frame into buf and returns its length; 0: there is none now, or one that the driver has dropped.
	Receive(buf []byte) (n int, err error)
	// Transmit sends a frame of which it keeps nothing. An error: it cannot now; the frame is offered again for txLimit.
	Transmit(buf []byte) error
}

// A Dropper is a Driver that counts the frames it drops. Behind one that counts none, a frame may wait for the next
// interrupt.
type Dropper interface {
	// Dropped returns counters of dropped frames, always the same ones in the same order.
	Dropped() []nic.Counter
}

// Hardware is the rest of what a board gives with a driver. A nil function: there is no such thing.
type Hardware struct {
	Driver Driver
	// Quiet takes the receive interrupt back, ahead of reception: what comes later raises it again.
	Quiet func()
	// SetMAC, SetFilter: as in nic.Device.
	SetMAC    func(mac [6]byte) error
	SetFilter func(addrs [][6]byte, promiscuous bool) error
	// ReadPHY and WritePHY: as in phy.Bus.
	ReadPHY  func(addr, reg int) (uint16, error)
	WritePHY func(addr, reg int, v uint16) error
	MaxLen   int // bytes of the longest frame that Transmit takes
}

// Config describes a device.
type Config struct {
	// Rings is the configuration of the Port: its Base names enet.FarRegisters bytes of memory (see enet.NewFar).
	Rings    enet.Config
	Hardware Hardware
	// Arrived is called when frames have been put into the receive ring.
	Arrived func()
	// Sent is called when transmit descriptors have become free: more frames may be queued before it returns.
	Sent func()
}

const (
	// batch bounds the frames of a round in each direction: half of what an activation of the oob stage takes, so that no round
	// pauses reception.
	batch = 16
	// txLimit bounds the wait of a frame for a driver that refuses it, which is asked again after retryAfter: TamaGo's ring of 16
	// full-size frames has left after 2 ms at 100 Mbit/s.
	txLimit    = 4 * time.Millisecond
	retryAfter = time.Millisecond
)

// A Device is the in-band half of a device with a driver that is not oob-capable.
type Device struct {
	name string
	far  *enet.Far
	hw   *enet.Port
	c    Config
	work chan struct{}

	mu    sync.Mutex // the far end, and the driver
	since time.Time  // the driver refuses the frame ahead; zero: it does not
	drops uint64     // of the driver, when they were last looked at

	link struct {
		sync.Mutex
		nic.Link
		mac [6]byte
	}
	// control keeps accesses to the driver's registers apart that read and write back the same ones: MDIO and Quiet.
	control sync.Mutex

	rxFrames, txFrames, rxFailed atomic.Uint64
}

var _ nic.Device = (*Device)(nil)

// New checks c and returns the in-band half of hw. The driver behind it has been started.
func New(hw *enet.Port, c Config) (*Device, error) {
	name := c.Rings.Name
	if c.Hardware.Driver == nil || c.Arrived == nil || c.Sent == nil || c.Hardware.MaxLen <= 0 {
		return nil, fmt.Errorf("%s: a stock driver's Driver and MaxLen, Arrived and Sent must be there", name)
	}
	if c.Rings.Clock == nil {
		c.Rings.Clock = nic.System
	}
	far, err := enet.NewFar(hw, c.Rings)
	if err != nil {
		return nil, err
	}
	dev := &Device{name: name, far: far, hw: hw, c: c, work: make(chan struct{}, 1)}
	dev.link.mac = c.Rings.MAC
	dev.link.Link = nic.Link{SpeedMbps: 100, FullDuplex: true}
	dev.drops = dev.dropped()
	return dev, nil
}

// Init builds the rings, with slots (enet.RingSize of them) in the receive ring. Run must have been called for frames to move.
func (dev *Device) Init(slots []uint32) error {
	dev.mu.Lock()
	defer dev.mu.Unlock()
	dev.since = time.Time{}
	return dev.far.Init(slots)
}

// Reinit is Init after a fault in the stage that drove the Port, or a Shutdown. The driver and its rings go on, and get a batch of
// the frames that wait to be transmitted.
func (dev *Device) Reinit(slots []uint32) error {
	dev.transmit()
	dev.mu.Lock()
	dev.far.Abort()
	dev.mu.Unlock()
	defer dev.Wake()
	return dev.Init(slots)
}

// Held appends the slots that the rings hold to slots. The stage that drives the Port must not do so meanwhile.
func (dev *Device) Held(slots []uint32) []uint32 {
	dev.mu.Lock()
	defer dev.mu.Unlock()
	return dev.far.Held(slots)
}

// Shutdown empties the rings until Reinit, and appends the slots they held to slots. The stage that drives the Port must not do so
// any more. The driver goes on; what it receives waits in its own ring.
func (dev *Device) Shutdown(slots []uint32) ([]uint32, error) { return dev.Held(slots), nil }

// Wake has Run look at both ends. It may be called by anybody in-band, at any time.
func (dev *Device) Wake() {
	select {
	case dev.work <- struct{}{}:
	default:
	}
}

// Interrupt is called when the device's own interrupt was taken.
func (dev *Device) Interrupt() {
	if quiet := dev.c.Hardware.Quiet; quiet != nil {
		dev.control.Lock()
		quiet()
		dev.control.Unlock()
	}
	dev.Wake()
}

// Run carries frames, for ever.
func (dev *Device) Run() {
	retry := time.NewTimer(retryAfter)
	for {
		switch dev.Step() {
		case Moved:
			runtime.Gosched() // whatever comes in, others have their turn
			continue
		case Waits:
			retry.Reset(retryAfter)
		}
		select {
		case <-dev.work:
		case <-retry.C:
		}
	}
}

// Outcome is what a step has come to.
type Outcome int

// The outcomes.
const (
	Idle  Outcome = iota // nothing is left
	Waits                // something must wait: for room in a ring
	Moved                // frames were moved: there may be more
)

// Step receives and transmits a batch. Run does nothing else; nobody else calls it beside Run.
func (dev *Device) Step() Outcome {
	received, full := dev.receive()
	if received > 0 {
		dev.c.Arrived()
	}
	sent, busy := dev.transmit()
	if sent > 0 {
		dev.c.Sent()
	}
	switch {
	case received > 0, sent > 0 && !busy:
		return Moved
	case full, busy:
		return Waits
	}
	return Idle
}

// receive fills the receive ring from the driver. full: the ring is.
func (dev *Device) receive() (n int, full bool) {
	dev.mu.Lock()
	defer dev.mu.Unlock()
	// Every frame that the driver drops, and every error, takes a look, too; those behind it must not wait.
	for range 2 * batch {
		if n == batch {
			break
		}
		b := dev.far.Space()
		if b == nil {
			return n, true
		}
		length, err := dev.c.Hardware.Driver.Receive(b)
		switch {
		case err != nil || length > len(b) || length > 0 && length < minLen:
			dev.rxFailed.Add(1)
		case length > 0:
			dev.far.Received(length)
			dev.rxFrames.Add(1)
			n++
		default:
			drops := dev.dropped()
			if drops == dev.drops {
				return n, false
			}
			dev.drops = drops
		}
	}
	return n, false
}

// minLen is what a frame must have to have a type: an Ethernet header.
const minLen = 14

// dropped returns how many frames the driver says it has dropped.
func (dev *Device) dropped() (n uint64) {
	if d, ok := dev.c.Hardware.Driver.(Dropper); ok {
		for _, c := range d.Dropped() {
			n += c.Value
		}
	}
	return n
}

// transmit gives the driver what waits in the transmit ring. busy: it takes no more now.
func (dev *Device) transmit() (n int, busy bool) {
	dev.mu.Lock()
	defer dev.mu.Unlock()
	for ; n < batch; n++ {
		b := dev.far.Queued()
		if b == nil {
			return n, false
		}
		ok := len(b) > 0 && len(b) <= dev.c.Hardware.MaxLen
		if ok && dev.c.Hardware.Driver.Transmit(b) != nil {
			if dev.hopeful() {
				return n, true
			}
			ok = false
		}
		if ok {
			dev.txFrames.Add(1)
		}
		dev.far.Sent(ok)
		dev.since = time.Time{}
	}
	return n, false
}

// hopeful reports whether the driver, which has refused the frame ahead, is to be asked again.
func (dev *Device) hopeful() bool {
	now := dev.c.Rings.Clock.Now()
	if dev.since.IsZero() {
		dev.since = now
	}
	return now.Sub(dev.since) < txLimit
}

// Capabilities tells what the driver can do: nothing in the oob stage.
func (dev *Device) Capabilities() nic.Capabilities {
	return nic.Capabilities{RxRing: enet.RingSize, TxRing: enet.RingSize, MaxLen: dev.c.Hardware.MaxLen}
}

// MAC returns the device's address.
func (dev *Device) MAC() [6]byte {
	dev.link.Lock()
	defer dev.link.Unlock()
	return dev.link.mac
}

// SetMAC changes the device's address, if the driver can.
func (dev *Device) SetMAC(mac [6]byte) error {
	set := dev.c.Hardware.SetMAC
	if set == nil {
		return fmt.Errorf("%s: SetMAC: %w", dev.name, errNot)
	}
	dev.link.Lock()
	defer dev.link.Unlock()
	if err := set(mac); err != nil {
		return err
	}
	dev.link.mac = mac
	return nil
}

// Link returns the setting of SetLink.
func (dev *Device) Link() nic.Link {
	dev.link.Lock()
	defer dev.link.Unlock()
	return dev.link.Link
}

// SetLink takes over whether the link is up. Speed and duplex are the driver's own.
func (dev *Device) SetLink(l nic.Link) error {
	dev.link.Lock()
	defer dev.link.Unlock()
	if l.Up && (l.SpeedMbps != dev.link.SpeedMbps || l.FullDuplex != dev.link.FullDuplex) {
		return &nic.ConfigError{Device: dev.name, Field: "Link", Value: l, Want: "100 Mb/s full duplex, which is all that the stock driver does"}
	}
	dev.link.Up = l.Up
	return nil
}

// SetFilter replaces the set of addresses taken besides the MAC and broadcast, if the board can.
func (dev *Device) SetFilter(addrs [][6]byte, promiscuous bool) error {
	set := dev.c.Hardware.SetFilter
	switch {
	case set != nil:
		return set(addrs, promiscuous)
	case len(addrs) == 0 && !promiscuous:
		return nil
	}
	return fmt.Errorf("%s: multicast groups and other stations' frames: %w", dev.name, errNot)
}

// ReadPHY is phy.Bus's.
func (dev *Device) ReadPHY(addr, reg int) (v uint16, err error) {
	read := dev.c.Hardware.ReadPHY
	if read == nil {
		return 0, fmt.Errorf("%s: MDIO: %w", dev.name, errNot)
	}
	dev.mdio(func() { v, err = read(addr, reg) })
	return v, err
}

// WritePHY is phy.Bus's.
func (dev *Device) WritePHY(addr, reg int, v uint16) (err error) {
	write := dev.c.Hardware.WritePHY
	if write == nil {
		return fmt.Errorf("%s: MDIO: %w", dev.name, errNot)
	}
	dev.mdio(func() { err = write(addr, reg, v) })
	return err
}

// mdio keeps do apart from Quiet, and has the ring looked at behind it: a driver that reads its event register and writes it
// back, as TamaGo's does around a transfer, takes the receive event with it.
func (dev *Device) mdio(do func()) {
	dev.control.Lock()
	do()
	dev.control.Unlock()
	dev.Wake()
}

var errNot = errors.New("not supported by the stock driver")

// Stats appends the counters of the driver and of the rings to c. A frame that is dropped is in one of them.
func (dev *Device) Stats(c []nic.Counter) []nic.Counter {
	c = append(c,
		nic.Counter{Name: "rx_frames", Value: dev.rxFrames.Load()},
		nic.Counter{Name: "tx_frames", Value: dev.txFrames.Load()},
		nic.Counter{Name: "rx_failed", Value: dev.rxFailed.Load(), Drop: true},
	)
	for _, i := range []int{enet.TxRingFull, enet.TxLength, enet.TxError, enet.RxAborted, enet.TxAborted} {
		n := uint64(mmio.Load(&dev.hw.Counters[i]))
		c = append(c, nic.Counter{Name: enet.CounterNames[i], Value: n, Drop: true})
	}
	if d, ok := dev.c.Hardware.Driver.(Dropper); ok {
		dev.mu.Lock()
		defer dev.mu.Unlock()
		c = append(c, d.Dropped()...)
	}
	return c
}
