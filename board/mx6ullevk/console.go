//go:build tamago

package mx6ullevk

import (
	"time"
	_ "unsafe" // go:linkname

	"github.com/usbarmory/tamago/soc/nxp/imx6ul"

	"mortise/drivers/gic"
	"mortise/drivers/mmio"
	"mortise/stack/files/transcript"
)

// The console is UART1, 115,200 baud, on the board's debug USB connector. Lines end with a line feed alone.
//
//go:linkname printk runtime/goos.Printk
func printk(c byte) {
	Printed.Put(c)
	imx6ul.UART1.Tx(c)
}

// Printed is what the console has printed since the start: all of the start, and the end.
var Printed = transcript.Text{First: printedFirst[:], Last: printedLast[:]}

// In bytes; a start prints less than one KiB, a fault with its chain of calls two.
var (
	printedFirst [8 << 10]byte
	printedLast  [32 << 10]byte
)

// maxLine bounds a console line in bytes.
const maxLine = 256

// poll is the time between two looks at the receiver: at 115,200 baud its 32-byte FIFO fills in 2.8 ms, a person types
// slower than that; pasted text is read at full speed once its first byte is seen.
const poll = 5 * time.Millisecond

// UART1's interrupt (chapter 3, IMX6ULLRM), and the bit that lets the receiver cause it (p3608, 55.15, UARTx_UCR1).
const (
	ConsoleIRQ = 32 + 26

	uart1UCR1   = 0x02020080
	UCR1_RRDYEN = 1 << 9
)

// received gets a value at each interrupt of the console's receiver; nil: ReadLine polls.
var received chan struct{}

// ServeConsole lets the console's receiver interrupt in-band, which calls ConsoleInterrupt: ReadLine then takes no time
// while nobody types. Call it once, before ReadLine.
//
//oob:stage inband
func ServeConsole() {
	received = make(chan struct{}, 1)
	GIC.Assign(ConsoleIRQ, gic.Inband)
	GIC.Enable(ConsoleIRQ)
}

// ConsoleInterrupt is for ConsoleIRQ. The receiver interrupts again when ReadLine has emptied it.
//
//oob:stage inband
func ConsoleInterrupt() {
	mmio.Clear(uart1UCR1, UCR1_RRDYEN)
	select {
	case received <- struct{}{}:
	default:
	}
}

// awaitInput returns when the receiver may have a byte.
func awaitInput() {
	if received == nil {
		time.Sleep(poll)
		return
	}
	mmio.Set(uart1UCR1, UCR1_RRDYEN)
	<-received
}

// ReadLine waits for a line from the console and returns it without its end. What exceeds 256 bytes is lost.
//
//oob:stage inband
func ReadLine() string {
	line := make([]byte, 0, maxLine)
	for {
		c, ok := imx6ul.UART1.Rx()
		switch {
		case !ok:
			awaitInput()
		case c == '\r' || c == '\n':
			return string(line)
		case (c == '\b' || c == 0x7f) && len(line) > 0:
			line = line[:len(line)-1]
		case len(line) < maxLine:
			line = append(line, c)
		}
	}
}
