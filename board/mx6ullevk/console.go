//go:build tamago

package mx6ullevk

import (
	"time"
	_ "unsafe" // go:linkname

	"github.com/usbarmory/tamago/soc/nxp/imx6ul"
)

// The console is UART1, 115,200 baud, on the board's debug USB connector. Lines end with a line feed alone.
//
//go:linkname printk runtime/goos.Printk
func printk(c byte) { imx6ul.UART1.Tx(c) }

// maxLine bounds a console line in bytes.
const maxLine = 256

// poll is the time between two looks at the receiver: at 115,200 baud its 32-byte FIFO fills in 2.8 ms, a person types
// slower than that; pasted text is read at full speed once its first byte is seen.
const poll = 5 * time.Millisecond

// ReadLine waits for a line from the console and returns it without its end. What exceeds 256 bytes is lost.
//
//oob:stage inband
func ReadLine() string {
	line := make([]byte, 0, maxLine)
	for {
		c, ok := imx6ul.UART1.Rx()
		switch {
		case !ok:
			time.Sleep(poll)
		case c == '\r' || c == '\n':
			return string(line)
		case (c == '\b' || c == 0x7f) && len(line) > 0:
			line = line[:len(line)-1]
		case len(line) < maxLine:
			line = append(line, c)
		}
	}
}
