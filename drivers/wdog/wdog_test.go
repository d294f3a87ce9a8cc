package wdog

import (
	"testing"
	"time"

	"mortise/drivers/mmio"
)

// fake is a watchdog by the manual: WDE is set once and stays, WT counts from the service sequence; WIE and WICT are set once,
// WTIS is cleared by writing 1.
type fake struct {
	wcr, last, wrsr uint16
	wicr            uint16
	warned          bool // WIE and WICT were set
	served          int
	resets          int // by WDA or SRS
}

func (f *fake) ReadReg(uint32) uint32   { panic("a 32-bit access") }
func (f *fake) WriteReg(uint32, uint32) { panic("a 32-bit access") }

func (f *fake) ReadReg16(off uint32) uint16 {
	return map[uint32]uint16{WDOG_WCR: f.wcr, WDOG_WRSR: f.wrsr, WDOG_WICR: f.wicr}[off]
}

func (f *fake) WriteReg16(off uint32, v uint16) {
	switch off {
	case WDOG_WCR:
		if v&WCR_WDA == 0 || v&WCR_SRS == 0 {
			f.resets++
		}
		f.wcr = v | f.wcr&WCR_WDE
	case WDOG_WSR:
		if f.last == WSR_SEQ1 && v == WSR_SEQ2 {
			f.served++
		}
		f.last = v
	case WDOG_WICR:
		if !f.warned {
			f.warned, f.wicr = true, f.wicr&WICR_WTIS|v&(WICR_WIE|WICR_WICT)
		}
		f.wicr &^= v & WICR_WTIS
	}
}

const base = 0x020bc000

func TestStartAndFeed(t *testing.T) {
	f := &fake{wcr: 0x0030}
	defer mmio.Map(base, 0x4000, f)()
	if err := Start(base, 10*time.Second); err != nil {
		t.Fatal(err)
	}
	if f.wcr>>WCR_WT != 19 || f.wcr&WCR_WDE == 0 || f.resets != 0 {
		t.Errorf("WCR = %#04x, %d resets, want WT 19, WDE, none", f.wcr, f.resets)
	}
	before := f.served
	Feed(base)
	if f.served != before+1 {
		t.Error("Feed does not serve")
	}
	if n := testing.AllocsPerRun(10, func() { Feed(base) }); n != 0 {
		t.Errorf("Feed allocates %v times", n)
	}
	if TimedOut(base) {
		t.Error("TimedOut without TOUT")
	}
	f.wrsr = WRSR_TOUT
	if !TimedOut(base) {
		t.Error("TOUT is not seen")
	}
}

func TestWarning(t *testing.T) {
	for timeout, want := range map[time.Duration]uint16{ // × 0.5 s before the end
		time.Second: 1, 3 * time.Second: 1, 4 * time.Second: 2, 10 * time.Second: 5, 128 * time.Second: 64,
	} {
		f := &fake{wcr: 0x0030, wicr: 0x4004} // by reset, and an old request
		unmap := mmio.Map(base, 0x4000, f)
		if err := Start(base, timeout); err != nil {
			t.Fatal(err)
		}
		if f.wicr != WICR_WIE|want {
			t.Errorf("timeout %v: WICR = %#04x, want %#04x", timeout, f.wicr, WICR_WIE|want)
		}
		f.wicr |= WICR_WTIS
		Quiet(base)
		if f.wicr != WICR_WIE|want {
			t.Errorf("timeout %v: WICR = %#04x after Quiet, want %#04x", timeout, f.wicr, WICR_WIE|want)
		}
		unmap()
	}
}

func TestTimeouts(t *testing.T) {
	defer mmio.Map(base, 0x4000, &fake{wcr: 0x0030})()
	for timeout, ok := range map[time.Duration]bool{
		0: false, time.Second / 2: false, time.Second: true, 128 * time.Second: true, 129 * time.Second: false,
		1200 * time.Millisecond: false,
	} {
		if err := Start(base, timeout); (err == nil) != ok {
			t.Errorf("Start(%v) = %v", timeout, err)
		}
	}
}
