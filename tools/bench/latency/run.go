package latency

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"mortise/tools/bench/plugin"
	"mortise/tools/qemu"
)

// runDeadline is how long a case may take on the host's clock.
const runDeadline = 5 * time.Minute

// Images are the firmware files that the cases boot, by load; Images[""] is the production image. Those with oob tasks have
// their name and a plus in front: latency+gc.
type Images map[Load]string

// For returns the image of a load. An image that is given for AnyLoad stands in for any load that has none of its own.
func (images Images) For(load Load) (path string, ok bool) {
	if path, ok = images[load]; !ok && load != "" && !strings.Contains(string(load), "+") {
		path, ok = images[AnyLoad]
	}
	return path, ok
}

// Config says where and with what to run.
type Config struct {
	Emulator *qemu.Emulator
	Images   Images
	Guests   map[string]Guest // by name
	Dir      string           // gets a serial log and a capture for every case
	Plugin   string           // path of nictime.so; empty: a latency is a whole microsecond
}

// Result is what a case measured.
type Result struct {
	Case       string
	Panel      string // of the plot
	Exact      bool   // by the plugin, to the instruction
	Statistics        // in instructions
	Resolution int64  // of all of these, either way
	// Activations of the oob stage; none without the plugin, or of a guest that has no such stage.
	Activations Activations
	Duplicates  int               // replies to a request that had been answered
	Garbled     int               // IPv4 frames to us with a wrong length or checksum
	Flood       FloodCount        // frames to in-band
	Bulk        BulkCount         // TCP to in-band on the other port
	Told        map[Load]Told     // by the loads that say what they do
	Hash        string            // of all times and latencies
	Unsteady    string            // why the run need not repeat exactly, empty: it does
	Took        time.Duration     // on the host's clock
	Missed      []string          // bounds
	Longest     LongestActivation // by the stage itself, beside its static bound
	Samples     []Sample          `json:"-"`
	// Distribution is how many requests took how many instructions, in rising order.
	Distribution []Count
}

// FloodCount counts the frames to in-band that went with the requests.
type FloodCount struct{ Sent, Answered int }

// BulkCount counts what in-band acknowledged over TCP while requests were measured.
type BulkCount struct {
	Bytes       int64
	Connections int
}

// ErrNoImage says that a case's firmware was not given.
var ErrNoImage = errors.New("no firmware given")

// ErrNoPlugin says that a case is measured by the plugin alone, and there is none.
var ErrNoPlugin = errors.New("it takes the plugin")

// Run runs one case and compares it with its bounds.
func Run(ctx context.Context, config Config, c Case) (*Result, error) {
	kernel, err := config.kernel(&c)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	capture := filepath.Join(config.Dir, c.Name+".pcap")
	r := &Result{Case: c.Name, Panel: c.Panel, Resolution: Resolution(c.Shift)}
	if err := r.capture(ctx, config, &c, kernel, capture); err != nil {
		return nil, err
	}
	records, err := ReadCapture(capture)
	if err != nil {
		return nil, err
	}
	var trace plugin.Trace
	if r.Exact = config.Plugin != "" && c.exact(); r.Exact {
		w, err := config.watch(&c, kernel)
		if err != nil {
			return nil, err
		}
		if trace, err = w.Read(); err != nil {
			return nil, err
		}
		if c.Mode != Task && c.Mode != Rules {
			err = refine(records, trace.Stores, bySelf)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", capture, err)
		}
		r.Resolution = 0
	} else if c.Mode == Task {
		return nil, ErrNoPlugin
	}
	if c.Mode == Rules {
		if records, err = arrivals(records, farCapture(capture), storesTo(tdar2, trace.Stores)); err != nil {
			return nil, err
		}
	}
	if c.Guest == "" {
		records = released(records)
	}
	e := Match(records)
	if c.Mode == Task {
		e.Samples = expiries(trace.Marks, records, e.Samples, c.Shift)
	}
	r.Samples, r.Duplicates, r.Garbled = e.Samples, e.Duplicates, e.Garbled
	r.Activations = activations(trace.Activations, records, e.Samples)
	if err := r.agree(); err != nil {
		return nil, err
	}
	r.Flood = FloodCount{e.FloodSent, e.FloodAnswered}
	r.Statistics, r.Hash = Summarize(e.Samples, c.Shift), Hash(e.Samples)
	r.Distribution = distribution(e.Samples, c.Shift)
	r.Took = time.Since(start)
	r.Missed = c.Check(r)
	return r, nil
}

// kernel returns what a case boots.
func (config *Config) kernel(c *Case) (string, error) {
	if c.Guest != "" {
		guest, ok := config.Guests[c.Guest]
		if !ok {
			return "", fmt.Errorf("%w: no guest %q", ErrNoImage, c.Guest)
		}
		return guest.Kernel, nil
	}
	path, ok := config.Images.For(c.Image())
	if !ok {
		return "", fmt.Errorf("%w for load %q", ErrNoImage, c.Image())
	}
	return path, nil
}

// Repeat runs a case n times. All runs must meet the bounds and, where the host allows it, be equal to the microsecond;
// the first one's result is returned, with what any of them missed.
func Repeat(ctx context.Context, config Config, c Case, n int) (*Result, error) {
	first, err := Run(ctx, config, c)
	for i := 2; i <= n && err == nil; i++ {
		var r *Result
		if r, err = Run(ctx, config, c); err == nil {
			first.compare(r, i)
		}
	}
	if err != nil {
		return nil, err
	}
	return first, nil
}

// compare adds to r what run number n, of the same case, missed or did differently.
func (r *Result) compare(again *Result, n int) {
	r.Took += again.Took
	for _, missed := range again.Missed {
		r.Missed = append(r.Missed, fmt.Sprintf("run %d: %s", n, missed))
	}
	if r.Unsteady == "" {
		r.Unsteady = again.Unsteady
	}
	if r.Unsteady == "" && again.Hash != r.Hash {
		r.Missed = append(r.Missed, fmt.Sprintf("run %d has hash %s, want the first run's %s", n, again.Hash, r.Hash))
	}
}

// stores is the file that the plugin writes for a case.
func (config *Config) stores(c *Case) string { return filepath.Join(config.Dir, c.Name+".stores") }

// watch returns what the plugin has to watch.
func (config *Config) watch(c *Case, kernel string) (plugin.Watch, error) {
	if guest, ok := config.Guests[c.Guest]; ok {
		return guest.watch(config.stores(c)), nil
	}
	code := ownCode
	if c.Mode == StockDriver {
		code = append(TamaGoCode[:len(TamaGoCode):len(TamaGoCode)], ownCode...)
	}
	w, err := watch(kernel, config.stores(c), code)
	if c.Mode == Rules {
		w.Stores = []uint32{tdar2} // where they leave
	}
	if err == nil && c.Mode == Task {
		w.Handler.Shift = c.Shift
		w.Handler.Mark, _, err = plugin.Find(kernel, taskEntry, 0)
	}
	return w, err
}

// capture boots the firmware and talks to it while QEMU captures.
func (r *Result) capture(ctx context.Context, config Config, c *Case, kernel, path string) error {
	s := session{peer: c.peer(), noise: c.noise(), answered: map[stream]int{}}
	var err error
	if s.wire, err = qemu.NewWire(); err != nil {
		return err
	}
	defer s.wire.Close()
	if s.barrier, err = qemu.NewBarrier(); err != nil {
		return err
	}
	defer s.barrier.Close()
	if c.Guest != "" {
		if s.clock, err = qemu.NewWire(); err != nil {
			return err
		}
		defer s.clock.Close()
	}
	if c.Bulk {
		if s.bulk, err = newBulk(); err != nil {
			return err
		}
		defer s.bulk.wire.Close()
	}
	machine := qemu.Machine{
		Emulator: config.Emulator,
		Kernel:   kernel,
		Ports:    s.ports(c, path),
		Icount:   &qemu.Icount{Shift: c.Shift},
		Serial:   filepath.Join(config.Dir, c.Name+".log"),
		Deadline: c.deadline(),
		Steady:   true,
	}
	switch {
	case s.bulk != nil && c.Mode == Rules:
		machine.Ports = append(machine.Ports, farPort(s.bulk.wire, farCapture(path)))
	case s.bulk != nil:
		machine.Ports = append(machine.Ports, qemu.Port{Net: s.bulk.wire, Release: bulkRelease})
	case c.Mode == Rules:
		if s.far, err = qemu.NewWire(); err != nil {
			return err
		}
		defer s.far.Close()
		machine.Ports = append(machine.Ports, farPort(s.far, farCapture(path)))
	}
	var m *meter // nil: another guest, which has no oob stage
	if c.Guest != "" {
		machine.Args = slices.Clone(config.Guests[c.Guest].Args)
	} else {
		if m, err = newMeter(kernel); err != nil {
			return err
		}
		defer m.close()
		machine.Args = qemu.MonitorArgs(m.socket)
	}
	if err := os.MkdirAll(config.Dir, 0o755); err != nil {
		return err
	}
	if config.Plugin != "" && c.exact() {
		w, err := config.watch(c, kernel)
		if err != nil {
			return err
		}
		machine.Args = append(machine.Args, w.Arguments(config.Plugin)...)
	}
	s.console.path = machine.Serial
	if err := s.queueFirst(); err != nil {
		return err
	}
	if s.process, err = machine.Start(ctx); err != nil {
		return err
	}
	defer s.process.Stop()
	if err := s.process.Steady(); err != nil {
		r.Unsteady = err.Error()
	}
	r.Told, err = s.run(c)
	if s.bulk != nil {
		r.Bulk = BulkCount{s.bulk.acked, s.bulk.connections}
	}
	if err != nil || m == nil {
		return err
	}
	s.barrier.Close() // nothing is measured any more: the emulator may answer
	r.Longest, err = m.read(c.Shift)
	return err
}
