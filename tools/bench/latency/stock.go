package latency

// stockImage is what stands in front of an image's load when the device that is measured has a stock driver: it is built with
// stockConfig.
const (
	stockImage  = "stock"
	stockConfig = "tools/bench/latency/stock.toml" // in the module
	stockPanel  = "oob over a stock driver, not real-time"
)

// TamaGoCode is what the names of the functions begin with by which TamaGo stores to registers: its own, and Go's atomic ones.
var TamaGoCode = []string{"github.com/usbarmory/tamago/internal/reg.", "internal/runtime/atomic."}

// StockCases returns the rows of a device with a stock driver: the oob stage's answers, by way of a goroutine that carries the
// frames to it and back (drivers/stock). Nothing is demanded of them but that an idle in-band loses none, and they are in no golden
// table: they move with whatever in-band does.
func StockCases() []Case {
	base := Case{
		Panel: stockPanel, Mode: StockDriver, Shift: loadShift, Interval: loadInterval, Requests: loadRequests, Payload: requestPayload,
		Median: unbounded, Spread: unbounded,
	}
	const about = "oob echo, stock driver, not real-time, "
	return []Case{
		base.with("stock", about+"idle", func(*Case) {}),
		base.with("stock-vlan", about+"VLAN 42", func(c *Case) { c.VID = 42 }),
		base.with("stock-1472", about+"1,472 bytes", func(c *Case) { c.Payload = 1472 }),
		base.with("stock-flood", about+"flood 1 kpps", func(c *Case) { c.Flood = 1 }),
		base.with("stock-gc", about+"LOAD=gc", func(c *Case) { c.Load, c.Requests = kindGC, gcRequests }),
	}
}
