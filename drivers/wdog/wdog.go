// Package wdog drives the watchdog timer (WDOG) of i.MX 6 processors: it resets the machine when nobody feeds it, and
// interrupts ahead of that (the warning).
//
// Stage: Start and TimedOut in-band, Feed and Quiet in any stage, by one at a time. Follows: IMX6ULLRM (i.MX 6ULL
// Applications Processor Reference Manual, Rev. 1, 11/2017), chapter 59. Does not support: the WDOG_B pin (a board's power
// supply may take DRAM's power away with it, and the crash record's), the power-down counter (stopped by TamaGo).
package wdog

import (
	"fmt"
	"time"

	"mortise/drivers/mmio"
)

// Registers, 16 bits each (59.7, IMX6ULLRM).
const (
	WDOG_WCR = 0x00 // control
	WCR_WT   = 8    // position: timeout, (WT + 1) × 0.5 s
	WCR_WDA  = 1 << 5
	WCR_SRS  = 1 << 4
	WCR_WDE  = 1 << 2 // enable; once, until the next reset

	WDOG_WSR = 0x02 // service
	WSR_SEQ1 = 0x5555
	WSR_SEQ2 = 0xaaaa

	WDOG_WRSR = 0x04 // reset status
	WRSR_POR  = 1 << 4
	WRSR_TOUT = 1 << 1
	WRSR_SFTW = 1 << 0

	WDOG_WICR = 0x06    // interrupt control
	WICR_WIE  = 1 << 15 // enable; once, until the next reset
	WICR_WTIS = 1 << 14 // status, cleared by writing 1
	WICR_WICT = 0xff    // time before the timeout, × 0.5 s; once
)

// MaxTimeout is the longest timeout that WT holds.
const MaxTimeout = 128 * time.Second

// Start enables the watchdog at base: it cannot be disabled again. The timeout is a multiple of half a second, a second or
// more; the warning comes a quarter of it, or half a second, before its end.
//
//oob:stage inband
func Start(base uintptr, timeout time.Duration) error {
	if timeout < time.Second || timeout > MaxTimeout || timeout%(time.Second/2) != 0 {
		return fmt.Errorf("watchdog: timeout %v, want a multiple of 0.5 s from 1 s to %v", timeout, MaxTimeout)
	}
	wt := uint16(timeout/(time.Second/2) - 1)
	// WDA and SRS are active low; the bits that can be written once stay as they were.
	wcr := mmio.Read16(base+WDOG_WCR)&0xff | WCR_WDA | WCR_SRS
	mmio.Write16(base+WDOG_WCR, wt<<WCR_WT|wcr)
	mmio.Write16(base+WDOG_WICR, WICR_WIE|WICR_WTIS|uint16(warning(timeout)/(time.Second/2)))
	Feed(base)
	mmio.Write16(base+WDOG_WCR, wt<<WCR_WT|wcr|WCR_WDE)
	return nil
}

// warning returns how long before the end of a timeout the warning comes: a multiple of half a second.
func warning(timeout time.Duration) time.Duration {
	return max(timeout/4/(time.Second/2)*(time.Second/2), time.Second/2)
}

// TimedOut reports whether the watchdog at base caused the last reset. QEMU does not keep it over a reset.
//
//oob:stage inband
func TimedOut(base uintptr) bool { return mmio.Read16(base+WDOG_WRSR)&WRSR_TOUT != 0 }
