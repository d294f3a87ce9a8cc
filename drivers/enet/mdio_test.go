package enet_test

import (
	"testing"

	"mortise/drivers/enet"
	"mortise/drivers/enet/enettest"
)

func TestMDIO(t *testing.T) {
	b := newBench(t, enettest.Options{}, nil).up(t)
	b.PHY = map[int]*[32]uint16{2: {2: 0x0022, 3: 0x1561}}
	if v, err := b.dev.ReadPHY(2, 3); v != 0x1561 || err != nil {
		t.Errorf("ReadPHY(2, 3) = %#x, %v", v, err)
	}
	if v, err := b.dev.ReadPHY(1, 3); v != 0xffff || err != nil {
		t.Errorf("ReadPHY of no PHY = %#x, %v, want 0xffff", v, err)
	}
	if err := b.dev.WritePHY(2, 31, 0x8190); err != nil || b.PHY[2][31] != 0x8190 {
		t.Errorf("WritePHY: %v, register 31 = %#x", err, b.PHY[2][31])
	}
	for _, a := range [][2]int{{-1, 0}, {32, 0}, {0, -1}, {0, 32}} {
		if _, err := b.dev.ReadPHY(a[0], a[1]); err == nil {
			t.Errorf("ReadPHY(%d, %d): no error", a[0], a[1])
		}
	}
	b.StuckMDIO = true
	_, err := b.dev.ReadPHY(2, 3)
	wantTimeout(t, err, "EIR.MII")
}

// TestMDIOKeepsEvents: a transfer leaves RXF alone, and Ack leaves MII alone.
func TestMDIOKeepsEvents(t *testing.T) {
	b := newBench(t, enettest.Options{}, nil).up(t)
	b.Inject(make([]byte, 60))
	if _, err := b.dev.ReadPHY(0, 0); err != nil {
		t.Fatal(err)
	}
	if !b.Interrupt() {
		t.Error("the MDIO transfer cleared RXF")
	}
	b.WriteReg(enet.MMFR, 0x60020000)
	b.port.Ack()
	if b.Reg(enet.EIR)&enet.EIR_MII == 0 {
		t.Error("Ack cleared MII")
	}
}
