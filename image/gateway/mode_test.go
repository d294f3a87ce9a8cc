package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mortise/stack/frame"
	"mortise/stack/wire"
)

// envStock names images whose rt0 has a stock driver: gateway=PATH, with fault injection and the tasks of sockecho, 64=PATH, with
// 64 forwarding rules, between rt0 and an oob-capable lan0, 1+reload=PATH, with one, and a configuration that is applied all the time, filter=PATH, with a
// program, and socktest=PATH, with those tasks.
const envStock = "MORTISE_STOCK_ELF"

// A mode is the driver that rt0 has. The tests of what it does are the same for all.
type mode struct {
	name  string
	stock bool

	minLen, maxLen int // of a frame that is received, without FCS
}

// TamaGo's driver takes 42 to 1518 bytes with FCS: no full-size frames with a tag.
var modes = []mode{
	{"oob-capable driver", false, 14, frame.MaxLen},
	{"stock driver", true, 38, 1514},
}

// inModes runs a test in each mode.
func inModes(t *testing.T, test func(t *testing.T, m mode)) {
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) { test(t, m) })
	}
}

// boot starts the image of the mode that stands for the one that env names.
func (m mode) boot(t *testing.T, env string, o options) *rig {
	t.Helper()
	if m.stock {
		return m.checkShown(bootImage(t, stockImage(t, "gateway"), o))
	}
	return boot(t, env, o)
}

// rulesImage returns the mode's image with so many forwarding rules.
func (m mode) rulesImage(t *testing.T, rules string) string {
	t.Helper()
	if m.stock {
		return stockImage(t, rules)
	}
	return rulesImage(t, rules)
}

// mtu returns the largest packet that the driver receives in a VLAN.
func (m mode) mtu() int { return min(1500, m.maxLen-18) }

// tasksImage returns the mode's image with the tasks of a name.
func (m mode) tasksImage(t *testing.T, name string) string {
	t.Helper()
	if m.stock {
		return stockImage(t, name)
	}
	return tasksImage(t, name)
}

// reloadImage returns the mode's image that applies two configurations by turns.
func (m mode) reloadImage(t *testing.T) string {
	t.Helper()
	if m.stock {
		return stockImage(t, "1+reload")
	}
	_, image, ok := strings.Cut(os.Getenv(envLoad), "reload=")
	if !ok {
		t.Skipf("%s names no firmware with reload=: run make test", envLoad)
	}
	return strings.Split(image, ":")[0]
}

func stockImage(t *testing.T, name string) string {
	t.Helper()
	for _, item := range filepath.SplitList(os.Getenv(envStock)) {
		if path, ok := strings.CutPrefix(item, name+"="); ok {
			return path
		}
	}
	t.Skipf("%s names no firmware called %s: run make test", envStock, name)
	return ""
}

// checkShown sees to it that the console says what the driver is.
func (m mode) checkShown(r *rig) *rig {
	r.t.Helper()
	log, err := r.process.Serial()
	if err != nil || !strings.Contains(log, "rt0: ENET1: stock driver, not real-time\n") || strings.Contains(log, "lan0: ENET2: stock") {
		r.t.Errorf("the console does not say that rt0 alone is not real-time (%v):\n%s", err, log)
	}
	return r
}

// takes reports whether the driver takes a datagram of n bytes behind h.
func (m mode) takes(h *wire.Header, n int) bool {
	return len(wire.AppendUDP(nil, h, 1, 1, make([]byte, n))) <= m.maxLen
}

// refused sends a frame that the driver drops: it is counted there, and goes no further.
func (r *rig) refused(b []byte) {
	t := r.t
	t.Helper()
	drops := func() (n uint64) {
		n, err := statusOf(r).value("rt0", "driver", "rx_frame_length_violation")
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	before, core := drops(), r.core()
	if got := r.exchange(b, quiet, func([]byte) bool { return true }); got != nil {
		t.Errorf("an answer to a frame of %d bytes: %x", len(b), got)
	}
	if after := drops(); after != before+1 {
		t.Errorf("frames that the driver has refused = %d, want %d", after, before+1)
	}
	if after := r.core(); after != core {
		t.Errorf("a frame of %d bytes got to the companion core: %v", len(b), moved(core, after))
	}
}

func statusOf(r *rig) *status {
	s := r.status()
	return &s
}

// Everything that shows a device with a stock driver says that it is not real-time, and of no other.
func TestNotRealTimeIsShown(t *testing.T) {
	r := modes[1].boot(t, envInject, options{console: true})
	for path, want := range map[string][]string{
		"/":                {"stock driver, not real-time", "oob, not real-time: "},
		"/metrics":         {`mortise_not_real_time{device="rt0"} 1`, `mortise_not_real_time{device="lan0"} 0`},
		"/api/status":      {`"not_real_time": "stock driver, not real-time"`},
		"/api/net/devices": {`"oob_capable": false`, `"oob_capable": true`},
		"/api/net/ports":   {`"real_time": false`},
	} {
		b, err := r.get(path)
		for _, w := range want {
			if err != nil || !strings.Contains(b, w) {
				t.Errorf("%s does not say %s (%v)", path, w, err)
			}
		}
		if n := strings.Count(b, "stock driver"); n > 1 {
			t.Errorf("%s says %d times that a driver is a stock one, want of rt0 alone", path, n)
		}
	}
	for command, want := range map[string][]string{
		"net query":         {"rt0: link up, stock driver, not real-time, diverted, for rt0, rt0.42", "lan0: link up, not diverted"},
		"net query -i rt0":  {"link up, stock driver, not real-time, diverted", "port rt0: 10.0.0.1/24 on rt0, oob, not real-time, takes"},
		"net query -i lan0": {"link up, oob-capable, not diverted"},
	} {
		r.typed(command)
		for _, w := range want {
			r.waitFor(w)
		}
	}
}

// A task's socket serves a device with a stock driver as any other.
func TestSocketEcho(t *testing.T) {
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			image := ""
			if m.stock {
				image = stockImage(t, "gateway")
			} else {
				image = tasksImage(t, "sockecho")
			}
			r := bootImage(t, image, options{})
			for _, n := range []int{1, 64, 1400} {
				if !r.echo(vlanTag, 7007, []byte(strings.Repeat("s", n))) {
					t.Errorf("no echo of %d bytes by the socket", n)
				}
			}
			r.checkSlots("rt0")
		})
	}
}
