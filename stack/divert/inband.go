package divert

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"mortise/drivers/enet"
	"mortise/drivers/mmio"
	"mortise/drivers/nic"
	"mortise/drivers/phy"
	"mortise/drivers/stock"
	"mortise/stack/core"
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

	rx     sync.Mutex // consumer of rxFull
	tx     sync.Mutex // producer of txFull; the ring code of a device that is not diverted
	notify chan struct{}

	groups struct {
		sync.Mutex
		members map[[6]byte]int
		all     bool // see Promiscuous
	}

	noTxSlot atomic.Uint32
	traffic  traffic
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
		winTicks: c.TickHz / 1000, winCap: c.CapPerMS,
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
	switch {
	case v.txFull.Len() == 0:
	case mmio.Load(&v.diverted) != 0:
		p.hooks.Kick()
	default:
		p.tx.Lock()
		if mmio.Load(&v.diverted) == 0 {
			p.send()
		}
		p.tx.Unlock()
	}
}

// Adopt makes c what the companion core knows device d by: before Serve first, then whenever the core has another
// configuration for it (oob.Configure). It is one store: each frame meets the one or the other.
//
//oob:stage inband
func Adopt(d uint32, c core.Device) { table[d%Devices].core = c }

// Serve starts reception, in the stage that toOob names.
func (p *Device) Serve(toOob bool) {
	p.setDiverted(toOob)
	table[p.d].hw.Unmask()
	if p.stock != nil {
		p.arrived() // what came before
	}
}

// setDiverted names the stage that drives the device. The caller holds both locks, or nothing runs yet. An activation for
// the device may come from when the property is set until its interrupt is routed away: the oob stage then has what it
// must know, and in-band does not touch the rings.
func (p *Device) setDiverted(on bool) {
	v := &table[p.d]
	if on {
		mmio.Store(&v.diverted, p.byOob()+v.listen)
		p.hooks.Route(true)
		return
	}
	p.hooks.Route(false)
	mmio.Store(&v.diverted, 0)
}

// Listen has the companion core shown each frame of the device, ahead of its decision, or no longer: from the next frame on, while
// the device is diverted.
func (p *Device) Listen(on bool) {
	p.rx.Lock()
	defer p.rx.Unlock()
	p.tx.Lock()
	defer p.tx.Unlock()
	v := &table[p.d]
	v.listen = 0
	if on {
		v.listen = 1
	}
	if mmio.Load(&v.diverted) != 0 {
		mmio.Store(&v.diverted, p.byOob()+v.listen)
	}
}

// byOob returns what device.diverted says when the oob stage has the device.
func (p *Device) byOob() uint32 {
	if p.stock != nil {
		return carried
	}
	return driven
}

// Rebuild sets the controller and the driving stage's slots up anew, for a change of the controller's setting, then lets the
// oob stage (divert) or in-band drive the device. Frames that in-band owned, received or to be sent, stay; what the
// controller held is lost. When it fails the device is down: Rebuild may be tried again.
func (p *Device) Rebuild(divert bool) error {
	p.rx.Lock()
	defer p.rx.Unlock()
	p.tx.Lock()
	defer p.tx.Unlock()
	lend, _ := p.recall() // what its own transmitter does not send comes back with the ring
	defer lend()
	p.setDiverted(false)
	v := &table[p.d]
	v.throttled = 0
	slots, err := p.driver.Shutdown(nil)
	if err != nil {
		return fmt.Errorf("device %s: %w", p.name, err)
	}
	slots = p.takeBack(slots)
	for s, ok := v.free.Get(); ok; s, ok = v.free.Get() {
		slots = append(slots, s)
	}
	if got, want := len(slots), enet.RingSize+reserve; got != want {
		return fmt.Errorf("device %s: %d slots, want %d", p.name, got, want)
	}
	err = p.driver.Reinit(slots[:enet.RingSize])
	if err == nil {
		slots = slots[enet.RingSize:]
	}
	for _, s := range slots {
		v.free.Put(s)
	}
	v.free.Mark()
	if err != nil {
		return fmt.Errorf("device %s: %w", p.name, err)
	}
	p.resume(divert)
	return nil
}

// resume lets a stage go on with what waits: its own frames and in-band's.
func (p *Device) resume(divert bool) {
	if divert {
		p.setDiverted(true)
		p.hooks.Kick()
		if p.stock != nil {
			p.hooks.Raise() // for what arrived before, as a controller does when it is unmasked
		}
	} else {
		p.send()
	}
	table[p.d].hw.Unmask()
	if p.stock != nil {
		p.stock.Wake()
	}
	p.wake()
}

// Divert takes the device to the oob stage (on) or in-band, with traffic flowing: no frame is lost, none goes both ways,
// since the interrupt is disabled while the property changes and the ring's state is the same for both stages. A device that
// is the oob stage's already is left alone: a tick that came while it was not would pass it by, and there is no other.
//
// Off fails, and changes nothing, while frames of the device's, or on it, are under way for several devices, and one of their
// transmitters does not send them.
func (p *Device) Divert(on bool) error {
	p.rx.Lock()
	defer p.rx.Unlock()
	p.tx.Lock()
	defer p.tx.Unlock()
	v := &table[p.d]
	if mmio.Load(&v.diverted) != 0 {
		if on {
			return nil
		}
		lend, ok := p.recall()
		defer lend()
		if !ok {
			return fmt.Errorf("device %s: %d frames for several devices have not been sent in %v", p.name, mmio.Load(&lent), callTries*callPause)
		}
	}
	p.setDiverted(false)
	if on && v.throttled != 0 {
		// What Receive's budget left in the ring may have no event any more: an earlier Poll acknowledged it, and at most rxBudget
		// frames were behind those it took. Without this they would wait for the next frame.
		Poll(p.d)
		v.throttled = 0
	}
	p.resume(on)
	return nil
}

// callPause and callTries bound how long in-band waits for slots that are lent: ten times what 64 full-size frames take at 100 Mbit/s.
const (
	callPause = time.Millisecond
	callTries = 80
)

// recall has the oob stage lend no more slots, and waits until none is lent. lend lets it lend again, when the device has changed hands.
// ok is false when a transmitter stands still.
func (p *Device) recall() (lend func(), ok bool) {
	atomic.AddUint32(&calledIn, 1)
	for range callTries {
		if mmio.Load(&lent) == 0 {
			break
		}
		if p.hooks.Kick(); mmio.Load(&lent) != 0 {
			time.Sleep(callPause)
		}
	}
	return func() { atomic.AddUint32(&calledIn, ^uint32(0)) }, mmio.Load(&lent) == 0
}

// takeBack returns those of slots, which the controller held, that are the device's. Those that it shared with another one go to their
// owner, when that one is done too: the device may be it.
func (p *Device) takeBack(slots []uint32) []uint32 {
	own := slices.DeleteFunc(slots, func(s uint32) bool {
		shared := shares[s%frame.MaxSlots] != 0
		if shared {
			returned.Push(frame.Ref{Slot: uint16(s)})
		}
		return shared
	})
	if returned.Len() != 0 {
		p.hooks.Kick() // calledIn is set
	}
	return own
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
	return v.rxFull.Len() != 0 || v.rxEmpty.Len() != inbandRx
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
		r, ok := v.rxFull.Pop()
		if !ok {
			break
		}
		p.traffic.received(int(r.Len))
		f(bytesAt(v.mem.Frame(uint32(r.Slot)), int(r.Len)))
		v.rxEmpty.Push(frame.Ref{Slot: r.Slot})
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
	r, ok := v.txEmpty.Pop()
	if !ok {
		p.noTxSlot.Add(1)
		return false
	}
	b := bytesAt(v.mem.Frame(uint32(r.Slot)), max(n, frame.MinLen))
	fill(b[:n])
	clear(b[n:])
	v.txFull.Push(frame.Ref{Slot: r.Slot, Len: uint16(len(b))})
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

// Name returns the device's name in the configuration.
func (p *Device) Name() string { return p.name }

// MAC returns the device's address.
func (p *Device) MAC() [6]byte { return p.mac }

// Up tells whether the link is up, as SetUp was last told.
func (p *Device) Up() bool { return p.up.Load() }

// SetUp records the link's state.
func (p *Device) SetUp(up bool) { p.up.Store(up) }

// OobAnswers tells whether the oob stage answers for the device's oob addresses now.
func (p *Device) OobAnswers() bool { return mmio.Load(&table[p.d].diverted) != 0 }

// Join lets frames to a multicast group in, or no longer: each Join of a member is to be taken back by one that is not.
func (p *Device) Join(group netip.Addr, member bool) error {
	p.groups.Lock()
	defer p.groups.Unlock()
	if p.groups.members == nil {
		p.groups.members = map[[6]byte]int{}
	}
	a := group.As4()
	mac := [6]byte{0x01, 0x00, 0x5e, a[1] & 0x7f, a[2], a[3]} // 6.4, RFC 1112
	if member {
		p.groups.members[mac]++
	} else if p.groups.members[mac]--; p.groups.members[mac] <= 0 {
		delete(p.groups.members, mac)
	}
	return p.setFilter()
}

// Promiscuous lets frames to other stations in, too, as rules that forward them need, or no longer.
func (p *Device) Promiscuous(on bool) error {
	p.groups.Lock()
	defer p.groups.Unlock()
	p.groups.all = on
	return p.setFilter()
}

// setFilter has the controller let in what Join and Promiscuous say. The caller holds p.groups.
func (p *Device) setFilter() error {
	return p.driver.SetFilter(slices.Collect(maps.Keys(p.groups.members)), p.groups.all)
}

// Driver returns the controller's in-band half: link, MDIO, statistics.
func (p *Device) Driver() Driver { return p.driver }

// RealTime reports whether the driver runs in the oob stage: that of any other is not real-time, whatever serves it.
func (p *Device) RealTime() bool { return p.stock == nil }

// Count is the value of a named counter.
type Count struct {
	Name, Help string
	Drop       bool // counts frames dropped
	Value      uint32
}

// Counters returns the device's counters, always the same ones in the same order.
func (p *Device) Counters() []Count {
	out := make([]Count, 0, NumCounters+1)
	for i, c := range counterInfo {
		c.Value = mmio.Load(&counters[p.d][i])
		out = append(out, c)
	}
	return append(out, Count{"no_tx_slot", "from in-band, and its share for sending was used up", true, p.noTxSlot.Load()})
}

// Place is where slots of a device are, and how many.
type Place struct {
	Place, Help string
	Slots       uint32
}

// Slots returns where the device's slots are. Each slot is in one place: on a quiet device the numbers but the last add
// up to SlotsPerDevice.
func (p *Device) Slots() []Place {
	v := &table[p.d]
	return []Place{
		{"free", "reserve of the stage that drives the device", v.free.Len()},
		{"rx_ring", "empty, for the controller to receive into", enet.RingSize},
		{"tx_ring", "being transmitted", enet.RingSize - v.hw.Free()},
		{"rx_full", "received, waiting for in-band", v.rxFull.Len()},
		{"rx_empty", "in-band's share for receiving, unused", v.rxEmpty.Len()},
		{"tx_full", "from in-band, waiting to be transmitted", v.txFull.Len()},
		{"tx_empty", "in-band's share for sending, unused", v.txEmpty.Len()},
		{"free_lowest", "the smallest reserve there ever was", v.free.Lowest()},
	}
}
