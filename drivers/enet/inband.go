package enet

import (
	"encoding/binary"
	"fmt"
	"time"

	"mortise/drivers/mmio"
	"mortise/drivers/nic"
	"mortise/stack/frame"
)

const (
	// resetLimit bounds the reset, which takes some cycles of the module clock (ECR.RESET): a choice, far above.
	resetLimit = 10 * time.Millisecond
	// stopLimit bounds the graceful stop: the longest frame at 10 Mb/s takes 1.3 ms.
	stopLimit = 5 * time.Millisecond
	pollPause = 20 * time.Microsecond
)

// Init resets the controller, builds the rings, with slots (RingSize of them) in the receive ring, and lets it receive. The
// driver owns slots when Init has returned nil. The receive interrupt is masked until Unmask. The stage that will drive
// the port must not do so yet.
func (dev *Device) Init(slots []uint32) error {
	dev.mu.Lock()
	defer dev.mu.Unlock()
	if dev.running {
		return fmt.Errorf("%s: Init of a running port", dev.cfg.Name)
	}
	return dev.up(slots)
}

// Reinit is Init for a port in any state, after a fault in the stage that drove it: what the rings held is forgotten, the
// caller has taken stock of the slots. Counters, filters, MAC and link setting stay. The controller is reset first, so that
// it writes to no slot any more.
func (dev *Device) Reinit(slots []uint32) error {
	dev.mu.Lock()
	defer dev.mu.Unlock()
	return dev.up(slots)
}

// up follows the order of the manual's initialization sequence: reset, then everything that ETHEREN protects, then the
// rings, then ETHEREN, then RDAR.
func (dev *Device) up(slots []uint32) error {
	if err := dev.cfg.checkSlots(slots); err != nil {
		return err
	}
	if err := dev.reset(); err != nil {
		return err
	}
	if dev.running {
		dev.abort()
	}
	dev.running = false
	dev.setupMDIO()
	dev.setupMAC()
	dev.setupFIFO()
	dev.setupMIB()
	if dev.timer {
		dev.startTimer()
	}
	dev.last[totalRx], dev.last[totalTx] = 0, 0
	dev.cfg.build(dev.hw, slots)

	dev.write(RDSR, dev.cfg.DescBus)
	dev.write(TDSR, dev.cfg.DescBus+RingSize*descSize)
	dev.write(MRBR, rxBufSize)
	dev.write(EIR, ^uint32(0))
	dev.write(ECR, ECR_DBSWP|ECR_EN1588|ECR_ETHEREN)
	dev.hw.Resume()
	dev.running = true
	return nil
}

// checkSlots refuses a list that would put a slot twice, or none, into the receive ring.
func (cfg *Config) checkSlots(slots []uint32) error {
	if len(slots) != RingSize {
		return fmt.Errorf("%s: %d slots for the receive ring, want %d", cfg.Name, len(slots), RingSize)
	}
	seen := make(map[uint32]bool, RingSize)
	for _, s := range slots {
		if s >= cfg.Memory.Slots || seen[s] {
			return fmt.Errorf("%s: slot %d for the receive ring is twice in the list or not below %d",
				cfg.Name, s, cfg.Memory.Slots)
		}
		seen[s] = true
	}
	return nil
}

// reset stops the DMA, forgets its ring positions and sets all registers to their reset values.
func (dev *Device) reset() error {
	dev.write(ECR, ECR_RESET)
	if err := dev.wait(ECR, ECR_RESET, 0, resetLimit, "ECR.RESET", "0"); err != nil {
		return err
	}
	dev.write(ECR, ECR_DBSWP)
	dev.write(EIMR, 0)
	dev.write(EIR, ^uint32(0))
	return nil
}

func (dev *Device) setupMAC() {
	dev.writeMAC()
	dev.filter.write(dev.cfg.Base)
	dev.write(RCR, dev.rcr())
	tcr := uint32(0)
	if dev.link.FullDuplex {
		tcr = TCR_FDEN
	}
	dev.write(TCR, tcr)
}

func (dev *Device) rcr() uint32 {
	v := uint32(maxFL<<RCR_MAX_FL | RCR_MII_MODE | RCR_RMII_MODE)
	if dev.link.SpeedMbps == 10 {
		v |= RCR_RMII_10T
	}
	if !dev.link.FullDuplex {
		v |= RCR_DRT
	}
	if dev.filter.promiscuous {
		v |= RCR_PROM
	}
	return v
}

// setupFIFO selects store and forward in both directions (RSFL = 0: RACC.LINEDIS and SHIFT16 need whole frames), and the
// pad in front of frames.
func (dev *Device) setupFIFO() {
	dev.write(TFWR, TFWR_STRFWD)
	dev.write(RSFL, 0)
	dev.write(FTRL, truncFL)
	dev.write(RACC, RACC_LINEDIS|RACC_SHIFT16)
	tacc := uint32(0)
	if dev.cfg.TxShift16 {
		tacc = TACC_SHIFT16
	}
	dev.write(TACC, tacc)
}

// build makes the port and both rings from the configuration alone: nothing of an earlier life is read but the counters.
func (cfg *Config) build(hw *Port, slots []uint32) {
	pad := uint32(frame.Pad)
	if cfg.TxShift16 {
		pad = 0
	}
	*hw = Port{
		base:     cfg.Base,
		rxDesc:   cfg.Desc,
		txDesc:   cfg.Desc + RingSize*descSize,
		rxBus:    cfg.Memory.BusBuffer(0),
		txBus:    cfg.Memory.BusBuffer(0) + pad,
		txFrames: cfg.Memory.Buffer(0),
		txExtra:  BD_TX_R | BD_TX_TC | BD_L | (frame.Pad - pad),
		rxGood:   BD_L,
		Counters: hw.Counters,
	}
	for a := cfg.Desc; a < cfg.Desc+DescBytes; a += 4 {
		mmio.StoreMem(a, 0)
	}
	for i := range uint32(RingSize) {
		descAt(hw.txDesc, i).ctl = wrap(i)
		hw.Refill(slots[i])
	}
	hw.rxFill = 0
}

// Shutdown stops the controller and appends each slot that the rings held to slots. Frames queued and not sent, received and
// not taken, are dropped and counted. The stage that drove the port must have stopped doing so. An error means that the device did not stop and may
// still write: then no slot is returned, and Reinit or another Shutdown may be tried.
func (dev *Device) Shutdown(slots []uint32) ([]uint32, error) {
	dev.mu.Lock()
	defer dev.mu.Unlock()
	if !dev.running {
		return slots, nil
	}
	dev.hw.Mask()
	dev.write(EIR, EIR_GRA)
	dev.write(TCR, dev.read(TCR)|TCR_GTS)
	// Without a link there may be no RMII clock and so no end of the frame: the reset ends it.
	_ = dev.wait(EIR, EIR_GRA, EIR_GRA, stopLimit, "EIR.GRA", "1")
	dev.write(ECR, ECR_DBSWP|ECR_EN1588)
	if err := dev.reset(); err != nil {
		return slots, err
	}
	dev.abort()
	dev.running = false
	return dev.Held(slots), nil
}

// abort counts what the rings of a stopped controller still hold.
func (dev *Device) abort() {
	dev.cfg.abort(dev.hw)
	dev.fold()
}

// abort counts what hw's rings hold: frames queued and not sent, frames received and not taken.
func (cfg *Config) abort(hw *Port) {
	for i := hw.txHead; i != hw.txTail && i-hw.txHead < RingSize; i++ {
		switch d := descAt(cfg.Desc+RingSize*descSize, i%RingSize); {
		case d.ctl&BD_TX_R != 0:
			hw.Counters[TxAborted]++
		case d.ext&BD_TX_TXE != 0:
			hw.Counters[TxError]++
		}
	}
	for i := hw.rxHead; i-hw.rxFill < RingSize; i++ {
		if descAt(cfg.Desc, i%RingSize).ctl&(BD_RX_E|BD_L) == BD_L {
			hw.Counters[RxAborted]++
		}
	}
}

// Held appends the slots that the rings hold to slots. The stage that drives the port must not do so meanwhile.
func (dev *Device) Held(slots []uint32) []uint32 { return dev.hw.held(slots) }

func (hw *Port) held(slots []uint32) []uint32 {
	for i := hw.txHead; i != hw.txTail && i-hw.txHead < RingSize; i++ {
		slots = append(slots, hw.txSlot[i%RingSize])
	}
	for i := hw.rxHead; i-hw.rxFill < RingSize; i++ {
		slots = append(slots, hw.rxSlot[i%RingSize])
	}
	return slots
}

// MAC returns the port's address.
func (dev *Device) MAC() [6]byte {
	dev.mu.Lock()
	defer dev.mu.Unlock()
	return dev.cfg.MAC
}

// SetMAC changes the port's address, at any time.
func (dev *Device) SetMAC(mac [6]byte) error {
	if !unicast(mac) {
		return &nic.ConfigError{Device: dev.cfg.Name, Field: "MAC", Value: mac, Want: "an individual address that is not zero"}
	}
	dev.mu.Lock()
	defer dev.mu.Unlock()
	dev.cfg.MAC = mac
	if dev.running {
		dev.writeMAC()
	}
	return nil
}

func (dev *Device) writeMAC() {
	mac := dev.cfg.MAC
	dev.write(PALR, binary.BigEndian.Uint32(mac[0:4]))
	dev.write(PAUR, uint32(binary.BigEndian.Uint16(mac[4:6]))<<16|PAUR_TYPE)
}

// Link returns the setting of SetLink.
func (dev *Device) Link() nic.Link {
	dev.mu.Lock()
	defer dev.mu.Unlock()
	return dev.link
}

// SetLink takes over what the PHY negotiated. Speed and duplex may change only while the controller is disabled: on a
// running port a change returns nic.ErrRestart, and holds from the next Init or Reinit.
func (dev *Device) SetLink(l nic.Link) error {
	dev.mu.Lock()
	defer dev.mu.Unlock()
	if !l.Up {
		dev.link.Up = false
		return nil
	}
	if l.SpeedMbps != 10 && l.SpeedMbps != 100 {
		return &nic.ConfigError{Device: dev.cfg.Name, Field: "Link.SpeedMbps", Value: l.SpeedMbps, Want: "10 or 100"}
	}
	changed := l.SpeedMbps != dev.link.SpeedMbps || l.FullDuplex != dev.link.FullDuplex
	dev.link = l
	if changed && dev.running {
		return fmt.Errorf("%s: link is %v: %w", dev.cfg.Name, l, nic.ErrRestart)
	}
	return nil
}
