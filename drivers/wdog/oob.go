package wdog

import "mortise/drivers/mmio"

// Feed begins the timeout anew (59.5.1.1, IMX6ULLRM: the two words in this order, anything may happen in between).
//
//oob:stage any
func Feed(base uintptr) {
	mmio.Write16(base+WDOG_WSR, WSR_SEQ1)
	mmio.Write16(base+WDOG_WSR, WSR_SEQ2)
}

// Quiet takes the warning's request back; there is another at the end of the next timeout that nobody feeds in.
//
//oob:stage any
func Quiet(base uintptr) {
	mmio.Write16(base+WDOG_WICR, WICR_WTIS)
}
