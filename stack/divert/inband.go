package divert

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"mortise/drivers/enet"
	"mortise/drivers/mmio"
	"mortise/drivers/nic"
	"mortise/drivers/phy"
	"mortise/drivers/stock"
	"mortise/stack/frame"
)

// Hooks are what the in-band half needs of the board and the stage. All are called in-band only.
type Hooks struct {
	// Kick asks the oob stage to run Send for every diverted device.
	Kick func()
	// Route sends the device's interrupt to the oob stage or to in-band; between its disabling and enabling the
	// interrupt, no activation for the device begins.
	Route func(toOob bool)
	// Raise begins an activation that polls the device, and returns when it has ended: the interrupt of a device with a stock
	// driver. Only such a device needs it.
	Raise func()
}

// Config describes a device to New.
type Config struct {
	Name     string
	Driver   enet.Config     // the controller; its Memory is the one of all devices
	Stock    *stock.Hardware // in the controller's place: Driver.Base is where its Port's registers would be
	TickHz   uint32          // rate of the stage's counter
	CapPerMS uint32          // frames handed to in-band per millisecond while diverted; 0: DefaultCapPerMS
	Hooks    Hooks
}

// DefaultCapPerMS lets in-band have 32,000 frames a second: four times what full-size frames need at 100 Mbit/s.
const DefaultCapPerMS = 32

// A Driver is the in-band half of a device's driver: enet.Device's, or stock.Device's.
type Driver interface {
	nic.Device
	// Init and Reinit build the rings, with slots in the receive ring; Held appends those that the rings hold. See enet.Device.
	Init(slots []uint32) error
	Reinit(slots []uint32) error
	Held(slots []uint32) []uint32
	Link() nic.Link
	phy.Bus
}

// A Device is the in-band half of a device: what gVisor's endpoint sends and receives over, and the switch of its
// diversion. It implements inband.Link.
type Device struct {
	d      uint32
	name   string
	mac    [6]byte
	driver Driver
	stock  *stock.Device // driver, if it is that
	hooks  Hooks

	rx     sync.Mutex // device.rx's taker
	tx     sync.Mutex // device.tx's giver; the ring code of a device that is not diverted
	notify chan struct{}

	groups groups

	noTxSlot atomic.Uint32
	traffic  traffic
	own      atomic.Uint64 // traffic.rx of the last frame that came while the device was in-band's: see OobAnswers
	up       atomic.Bool
}

// all are the devices that New made.
var all [Devices]*Device

// New initialises device d of the table and its controller, not diverted and with reception masked: see Serve.
//
//oob:stage init
func New(d uint32, c Config) (*Device, error) {
	if d >= Devices {
		return nil, fmt.Errorf("device %s: number %d, want less than %d", c.Name, d, Devices)
	}
	if got := c.Driver.Memory.Slots; got < (d+1)*SlotsPerDevice {
		return nil, fmt.Errorf("device %s: %d slots in all, want %d", c.Name, got, (d+1)*SlotsPerDevice)
	}
	if c.CapPerMS == 0 {
		c.CapPerMS = DefaultCapPerMS
	}
	v := &table[d]
	*v = device{
		index:    d,
		winStart: now() - c.TickHz/1000, winTicks: c.TickHz / 1000, winCap: c.CapPerMS, tailTicks: c.TickHz / tailPerSecond,
		mem: c.Driver.Memory, frames: c.Driver.Memory.Frame(0),
	}
	p := &Device{d: d, name: c.Name, mac: c.Driver.MAC, hooks: c.Hooks, notify: make(chan struct{}, 1)}
	if err := p.drive(&v.hw, c); err != nil {
		return nil, fmt.Errorf("device %s: %w", c.Name, err)
	}
	own := newOwners(v.mem.Slots)
	for s := range own {
		own[s] = uint32(s)/SlotsPerDevice != d
	}
	if err := p.driver.Init(p.distribute(own)); err != nil {
		return nil, fmt.Errorf("device %s: %w", c.Name, err)
	}
	all[d] = p
	return p, nil
}

// Carry carries the frames of a device with a stock driver, for ever: a goroutine of its own runs it, from before Serve. For any other
// it returns at once.
func (p *Device) Carry() {
	if p.stock != nil {
		p.stock.Run()
	}
}

// drive makes the device's driver.
func (p *Device) drive(hw *enet.Port, c Config) (err error) {
	if c.Stock == nil {
		p.driver, err = enet.New(hw, c.Driver)
		return err
	}
	p.stock, err = stock.New(hw, stock.Config{Rings: c.Driver, Hardware: *c.Stock, Arrived: p.arrived, Sent: p.sent})
	p.driver = p.stock
	return err
}

// arrived has the frames that a stock driver has received looked at, by the stage that drives the device.
func (p *Device) arrived() {
	p.tx.Lock() // the device must not change hands in between
	if mmio.Load(&table[p.d].diverted) != 0 {
		p.hooks.Raise()
	}
	p.tx.Unlock()
	if mmio.Load(&table[p.d].diverted) == 0 {
		p.wake()
	}
}

// sent has frames queued that wait for transmit descriptors, now that a stock driver has sent some.
func (p *Device) sent() {
	v := &table[p.d]
	p.tx.Lock()
	defer p.tx.Unlock()
	switch {
	case !v.tx.Waits():
	case mmio.Load(&v.diverted) != 0:
		p.hooks.Kick()
	default:
		p.send()
	}
}

// Interrupt is called in-band when the device's interrupt was routed there, or when the oob stage woke in-band.
func (p *Device) Interrupt() {
	if p.stock != nil {
		p.stock.Interrupt()
		p.wake()
		return
	}
	p.tx.Lock() // the device must not change hands in between
	if v := &table[p.d]; mmio.Load(&v.diverted) == 0 {
		v.hw.Mask() // until Receive has emptied the ring
		if mmio.Load(&v.diverted) != 0 {
			v.hw.Unmask() // preempted in between, and diverted meanwhile
		}
	}
	p.tx.Unlock()
	p.wake()
}

func (p *Device) wake() {
	select {
	case p.notify <- struct{}{}:
	default:
	}
}

// Waiting reports whether in-band has frames that it has not taken yet, or is about to be done with.
func (p *Device) Waiting() bool {
	v := &table[p.d]
	return v.rx.Full() != 0
}

// Behind notes which frames wait for in-band now, and returns whether it has not taken all of these, or is about to be done with one:
// what comes later does not count.
func (p *Device) Behind() (still func() bool) {
	full := uint64(table[p.d].rx.Full()) // first: one that is taken in between then counts twice
	last := p.traffic.rx.Load() + full
	return func() bool { return p.traffic.rx.Load() <= last && p.Waiting() }
}

// Notify returns the channel that gets a value when frames wait.
func (p *Device) Notify() <-chan struct{} { return p.notify }

// Receive calls f for up to max waiting frames, in order, and returns how many. b lies in the slot: it is valid during
// the call only.
func (p *Device) Receive(max int, f func(b []byte)) (n int) {
	p.rx.Lock()
	defer p.rx.Unlock()
	v := &table[p.d]
	inband := mmio.Load(&v.diverted) == 0
	if inband {
		p.tx.Lock()
		v.throttled = 0
		Poll(p.d)
		p.send()
		p.tx.Unlock()
	}
	for ; n < max; n++ {
		slot, length := v.rx.Oldest()
		if length == 0 {
			break
		}
		p.traffic.received(int(length))
		f(bytesAt(v.mem.Frame(slot), int(length)))
		v.rx.Empty(slot)
	}
	switch {
	case n == max || inband && v.throttled != 0:
		p.wake() // there is more
	case inband:
		v.hw.Unmask()
	}
	return n
}

// Send takes an empty slot of in-band's share, lets fill write a frame of n bytes into it, and has the driving stage send
// it. false: no slot was free, or n is larger than a frame; the frame is dropped and counted (no_tx_slot).
func (p *Device) Send(n int, fill func(b []byte)) bool {
	p.tx.Lock()
	defer p.tx.Unlock()
	v := &table[p.d]
	if n > frame.MaxLen {
		p.noTxSlot.Add(1)
		return false
	}
	slot, ok := v.tx.Room()
	if !ok {
		p.noTxSlot.Add(1)
		return false
	}
	b := bytesAt(v.mem.Frame(slot), max(n, frame.MinLen))
	fill(b[:n])
	clear(b[n:])
	v.tx.Fill(slot, uint32(len(b)))
	p.traffic.sent(len(b))
	if mmio.Load(&v.diverted) == 0 {
		p.send()
		return true
	}
	p.hooks.Kick()
	if p.stock != nil {
		p.stock.Wake()
	}
	return true
}

// retryAfter is when in-band tries again to queue frames that found the transmit ring full: half the ring's full-size
// frames have left by then at 100 Mbit/s.
const retryAfter = 4 * time.Millisecond

// send is Send for a device that is not diverted; frames that must wait for descriptors are tried again later.
func (p *Device) send() {
	if Send(p.d)&Rearm != 0 {
		time.AfterFunc(retryAfter, p.wake)
	}
	if p.stock != nil {
		p.stock.Wake()
	}
}

// bytesAt makes a slice of n bytes of DMA memory, which the garbage collector does not know.
func bytesAt(addr uintptr, n int) []byte {
	return unsafe.Slice(*(**byte)(unsafe.Pointer(&addr)), n)
}
