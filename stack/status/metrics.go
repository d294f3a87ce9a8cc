package status

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// family is a metric with its samples, which the format wants together.
type family struct {
	name, help, kind string
	samples          []string // labels and value
}

// families are metrics in the order in which they first came.
type families struct {
	order  []*family
	byName map[string]*family
}

// add appends a sample. labels are names and values in turn.
func (f *families) add(name, kind, help string, value float64, labels ...string) {
	m := f.byName[name]
	if m == nil {
		m = &family{name: name, help: help, kind: kind}
		f.byName[name] = m
		f.order = append(f.order, m)
	}
	var b strings.Builder
	for i := 0; i+1 < len(labels); i += 2 {
		sep := byte(',')
		if i == 0 {
			sep = '{'
		}
		b.WriteByte(sep)
		b.WriteString(labels[i] + `="` + escapeLabel(labels[i+1]) + `"`)
	}
	if b.Len() > 0 {
		b.WriteByte('}')
	}
	m.samples = append(m.samples, b.String()+" "+strconv.FormatFloat(value, 'f', -1, 64))
}

func escapeLabel(s string) string {
	return strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`).Replace(s)
}
func escapeHelp(s string) string { return strings.NewReplacer(`\`, `\\`, "\n", `\n`).Replace(s) }

func boolean(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

const (
	counter = "counter"
	gauge   = "gauge"
)

func writeMetrics(w io.Writer, s *Status) error {
	f := &families{byName: map[string]*family{}}
	f.add("mortise_build_info", gauge, "The firmware; the value is always 1.", 1,
		"version", s.Version, "board", s.Board, "go", s.Runtime.GoVersion)
	f.add("mortise_uptime_seconds", gauge, "Time since the start.", s.Uptime.Seconds())
	f.stage(&s.Stage)
	f.add("mortise_crash_before", gauge, "1 when the run before ended without being asked to.", boolean(s.Crash != nil))
	f.add("mortise_gc_cycles_total", counter, "Garbage collections of the in-band stage.", float64(s.Runtime.GCs))
	f.add("mortise_heap_bytes", gauge, "Heap occupied by objects.", float64(s.Runtime.HeapBytes))
	f.add("mortise_goroutines", gauge, "Live goroutines.", float64(s.Runtime.Goroutines))
	for i := range s.Devices {
		f.device(&s.Devices[i])
	}
	for i := range s.Groups {
		f.group(&s.Groups[i])
	}
	return f.write(w)
}

func (f *families) stage(s *Stage) {
	for _, state := range []State{Running, Stopped, Faulted} {
		f.add("mortise_stage_state", gauge, "1 for the state that the oob stage is in.", boolean(s.State == state),
			"state", string(state))
	}
	f.add("mortise_stage_activations_total", counter, "Activations of the oob stage.", float64(s.Activations))
	f.add("mortise_stage_longest_activation_seconds", gauge, "Longest activation of the oob stage.", s.Longest.Seconds())
	f.add("mortise_stage_stack_high_water_bytes", gauge, "Most of the oob stack that was ever used.", float64(s.StackHighWater))
	f.add("mortise_stage_stack_size_bytes", gauge, "Size of the oob stack.", float64(s.StackSize))
	f.add("mortise_stage_faults_total", counter, "Faults in oob code that were contained.", float64(s.Faults))
	f.add("mortise_stage_restarts_total", counter, "Restarts of the oob stage, by the policy and by command.", float64(s.Restarts))
	f.add("mortise_stage_restarts_last_minute", gauge, "Restarts by the policy in the last minute.", float64(s.RestartsLastMinute))
	f.add("mortise_stage_restarts_per_minute", gauge, "Restarts that the policy allows in a minute.", float64(s.RestartsPerMinute))
	f.add("mortise_stage_stays_down", gauge, "1 when the policy does not start the oob stage any more.", boolean(s.StaysDown))
	if s.Fault != nil {
		f.add("mortise_stage_last_fault_info", gauge, "The last fault in oob code; the value is always 1.", 1,
			"kind", s.Fault.Kind, "function", s.Fault.Function, "pc", fmt.Sprintf("0x%08x", s.Fault.PC))
	}
}

func (f *families) device(d *Device) {
	f.add("mortise_link_up", gauge, "1 when the device's link is up.", boolean(d.Up), "device", d.Name)
	f.add("mortise_diverted", gauge, "1 when the oob stage gets the device's frames first.", boolean(d.Diverted), "device", d.Name)
	for i := range d.Groups {
		f.group(&d.Groups[i], "device", d.Name)
	}
}

// group adds the counters of g. Drops are one metric, by reason, so that they can be summed.
func (f *families) group(g *Group, labels ...string) {
	for _, c := range g.Counters {
		unit := c.Unit
		if unit == "" {
			unit = "frames"
		}
		prefix, value := "mortise_"+g.Name+"_", float64(c.Value)
		switch c.Kind {
		case Drop:
			f.add(prefix+"dropped_frames_total", counter, "Frames dropped, by reason.", value,
				append(labels[:len(labels):len(labels)], "reason", c.Name)...)
		case Gauge:
			f.add(prefix+join(c.Name, unit), gauge, sentence(c), value, labels...)
		default:
			f.add(prefix+join(c.Name, unit)+"_total", counter, sentence(c), value, labels...)
		}
	}
}

// join appends the unit that a metric's name ends with, once.
func join(name, unit string) string {
	if name == unit || strings.HasSuffix(name, "_"+unit) {
		return name
	}
	return name + "_" + unit
}

// sentence is the help of c.
func sentence(c Counter) string {
	if c.Help == "" {
		return strings.ReplaceAll(c.Name, "_", " ") + "."
	}
	return strings.ToUpper(c.Help[:1]) + c.Help[1:] + "."
}

func (f *families) write(w io.Writer) error {
	b := bufio.NewWriter(w)
	for _, m := range f.order {
		fmt.Fprintf(b, "# HELP %s %s\n# TYPE %s %s\n", m.name, escapeHelp(m.help), m.name, m.kind)
		for _, s := range m.samples {
			b.WriteString(m.name + s + "\n")
		}
	}
	return b.Flush()
}
