//go:build tamago && arm64

package virt

import (
	"time"
	_ "unsafe" // go:linkname

	"mortise/drivers/mmio"
)

// The console is the machine's PL011 (chapter 3, ARM DDI 0183).
const (
	UARTBase = 0x09000000

	UARTDR    = 0x00
	UARTFR    = 0x18
	UARTLCR_H = 0x2c
	UARTCR    = 0x30

	FR_TXFF     = 1 << 5 // no room to transmit
	FR_RXFE     = 1 << 4 // nothing received
	LCR_H_WLEN8 = 0b11 << 5
	LCR_H_FEN   = 1 << 4
	CR_RXE      = 1 << 9
	CR_TXE      = 1 << 8
	CR_UARTEN   = 1 << 0
)

func initConsole() {
	mmio.Write(UARTBase+UARTCR, 0)
	mmio.Write(UARTBase+UARTLCR_H, LCR_H_WLEN8|LCR_H_FEN)
	mmio.Write(UARTBase+UARTCR, CR_UARTEN|CR_TXE|CR_RXE)
}

// polls bounds the wait for room in the transmitter: 16 bytes at 115,200 baud take 1.4 ms.
const polls = 1 << 20

//go:linkname printk runtime/goos.Printk
func printk(c byte) {
	for i := 0; i < polls && mmio.Read(UARTBase+UARTFR)&FR_TXFF != 0; i++ {
	}
	mmio.Write(UARTBase+UARTDR, uint32(c))
}

const (
	maxLine = 256                  // bytes of a console line
	poll    = 5 * time.Millisecond // between two looks at the receiver: its FIFO fills in 1.4 ms, a person types slower
)

// ReadLine waits for a line from the console and returns it without its end. What exceeds 256 bytes is lost.
//
//oob:stage inband
func ReadLine() string {
	line := make([]byte, 0, maxLine)
	for {
		if mmio.Read(UARTBase+UARTFR)&FR_RXFE != 0 {
			time.Sleep(poll)
			continue
		}
		c := byte(mmio.Read(UARTBase + UARTDR))
		switch {
		case c == '\r' || c == '\n':
			return string(line)
		case (c == '\b' || c == 0x7f) && len(line) > 0:
			line = line[:len(line)-1]
		case len(line) < maxLine:
			line = append(line, c)
		}
	}
}
