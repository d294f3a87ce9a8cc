//go:build tamago

package mx6ullevk

import (
	"fmt"
	"unsafe"

	"github.com/usbarmory/tamago/soc/nxp/enet"
	"github.com/usbarmory/tamago/soc/nxp/imx6ul"

	own "mortise/drivers/enet"
	"mortise/drivers/mmio"
	"mortise/drivers/nic"
	"mortise/drivers/stock"
)

// tamagoENET is TamaGo's driver of an ENET, as it is.
type tamagoENET struct {
	*enet.ENET
	ring uintptr // its receive descriptors
	next int     // the one that it looks at next
}

// Receive is the driver's, asked only when there is a frame. It reads a descriptor's length before it reads whether the frame is
// complete: one that is completed in between would have the length of the frame that the descriptor held before, or none.
//
// QEMU adds the status bits of a frame to those that its descriptor had, and the driver leaves those of a bad frame there: each
// sixteenth frame behind one that is too long would be bad, too. So they are cleared here, in the emulator.
func (t *tamagoENET) Receive(buf []byte) (n int, err error) {
	if t.empty(t.next) {
		return 0, nil
	}
	t.next = (t.next + 1) % t.RingSize // whatever becomes of the frame
	before := t.Stats
	if n, err = t.ENET.Receive(buf); t.Stats != before && !Native() {
		for i := range t.RingSize {
			if t.empty(i) {
				t.status(i)[0] = 0 // no status that matters but errors
			}
		}
	}
	return n, err
}

// empty reports whether a receive descriptor waits for a frame.
func (t *tamagoENET) empty(i int) bool { return t.status(i)[1]&(1<<(enet.BD_RX_ST_E-8)) != 0 }

// status is that of a receive descriptor, low byte first.
func (t *tamagoENET) status(i int) *[2]byte {
	return (*[2]byte)(unsafe.Pointer(t.ring + uintptr(i)*legacySize + 2))
}

// legacySize is the size of a legacy descriptor in bytes (p1012, 22.6.13, IMX6ULLRM); its bytes 2 and 3 are the status.
const legacySize = 8

// Dropped returns what the driver counts of the frames it drops.
func (t *tamagoENET) Dropped() []nic.Counter {
	s := &t.Stats
	return []nic.Counter{
		{Name: "rx_frame_length_violation", Value: uint64(s.FrameLengthViolation), Drop: true},
		{Name: "rx_non_octet", Value: uint64(s.NonOctetAlignedFrame), Drop: true},
		{Name: "rx_crc", Value: uint64(s.CRCOrFrameError), Drop: true},
		{Name: "rx_overrun", Value: uint64(s.Overrun), Drop: true},
		{Name: "rx_too_small", Value: uint64(s.FrameTooSmall), Drop: true},
		{Name: "rx_too_large", Value: uint64(s.FrameTooLarge), Drop: true},
	}
}

// stockMaxLen is the longest frame that the driver sends, without FCS: its maxFrameSize.
const stockMaxLen = enet.MTU + 18

// StartStock starts TamaGo's driver on the controller c and returns it for drivers/stock. Its rings lie in on-chip memory, which is TamaGo's
// default, and are set up once: a controller is started once.
//
// The driver has no function for other destination addresses than its own and broadcast. These are set in the controller's filter
// beside it.
//
//oob:stage init
func StartStock(c Controller, mac [6]byte) (*stock.Hardware, error) {
	hw := map[string]*enet.ENET{"ENET1": imx6ul.ENET1, "ENET2": imx6ul.ENET2}[c.Name]
	if hw == nil {
		return nil, fmt.Errorf("TamaGo has no driver for controller %s of this SoC", c.Name)
	}
	hw.MAC = mac[:]
	hw.RMII = true
	// Init of this package has started the reference clock, and drivers/phy sets the PHY up.
	hw.EnablePLL, hw.EnablePHY = nil, nil
	if err := hw.Init(); err != nil {
		return nil, fmt.Errorf("%s: %w", c.Name, err)
	}
	hw.Start()
	hw.EnableInterrupt(enet.IRQ_RXF)
	return &stock.Hardware{
		Driver: &tamagoENET{ENET: hw, ring: uintptr(mmio.Read(c.Base + own.RDSR))},
		MaxLen: stockMaxLen,
		Quiet:  func() { hw.ClearInterrupt(enet.IRQ_RXF) },
		SetMAC: func(mac [6]byte) error {
			hw.SetMAC(mac[:])
			return nil
		},
		SetFilter: func(addrs [][6]byte, promiscuous bool) error {
			own.SetFilter(c.Base, addrs, promiscuous)
			return nil
		},
		ReadPHY: func(addr, reg int) (uint16, error) { return hw.ReadPHYRegister(addr, reg), nil },
		WritePHY: func(addr, reg int, v uint16) error {
			hw.WritePHYRegister(addr, reg, v)
			return nil
		},
	}, nil
}
