package status

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// prometheus writes the Prometheus text. Which lines there are depends on what devices, groups and counters a Status has, and
// on few other strings: these lines are put together once, and each request fills in the values.
type prometheus struct {
	layout atomic.Pointer[layout]
}

// layout is the text for every Status that is like one of them.
type layout struct {
	of    *Status // which is no longer changed
	lines []line  // in the order of the text
}

// line is a sample up to its value, with what stands above it.
type line struct {
	text  string
	value int // index in what values returns
}

// append appends the text of s to b.
func (m *prometheus) append(b []byte, s *Status) []byte {
	l := m.layout.Load()
	if l == nil || !alike(l.of, s) {
		l = newLayout(s)
		m.layout.Store(l)
	}
	v := values(make([]value, 0, len(l.lines)), s)
	for i := range l.lines {
		b = append(b, l.lines[i].text...)
		b = v[l.lines[i].value].append(b)
		b = append(b, '\n')
	}
	return b
}

// value is a sample's: a whole number, as nearly all are, or a time, which is told in seconds.
type value struct {
	n    uint64
	time bool
}

func whole(n uint64) value          { return value{n: n} }
func seconds(d time.Duration) value { return value{uint64(d), true} }

// append appends the value as text.
func (v value) append(b []byte) []byte {
	if v.time && v.n%uint64(time.Second) != 0 {
		return strconv.AppendFloat(b, time.Duration(v.n).Seconds(), 'f', -1, 64)
	}
	if v.time {
		v.n /= uint64(time.Second)
	}
	return strconv.AppendUint(b, v.n, 10)
}

// alike reports whether the metrics of a and b differ in values only.
func alike(a, b *Status) bool {
	return a.Version == b.Version && a.Board == b.Board && a.Runtime.GoVersion == b.Runtime.GoVersion &&
		alikeFaults(a.Stage.Fault, b.Stage.Fault) &&
		slices.EqualFunc(a.Groups, b.Groups, alikeGroups) &&
		slices.EqualFunc(a.Devices, b.Devices, func(a, b Device) bool {
			return a.Name == b.Name && slices.EqualFunc(a.Groups, b.Groups, alikeGroups)
		})
}

func alikeFaults(a, b *Fault) bool {
	return a == b || a != nil && b != nil && a.Kind == b.Kind && a.Function == b.Function && a.PC == b.PC
}

func alikeGroups(a, b Group) bool {
	if a.Name != b.Name || a.Of != b.Of || len(a.Counters) != len(b.Counters) {
		return false
	}
	for i := range a.Counters {
		c, d := &a.Counters[i], &b.Counters[i]
		if c.Name != d.Name || c.Kind != d.Kind || c.Unit != d.Unit || c.Help != d.Help {
			return false
		}
		if c.Latency != d.Latency && !alikeLatencies(c.Latency, d.Latency) {
			return false
		}
	}
	return true
}

func alikeLatencies(a, b *Latency) bool {
	return a != nil && b != nil && slices.EqualFunc(a.Buckets, b.Buckets, func(a, b Bucket) bool { return a.Below == b.Below })
}

// values appends the values of s to v, in the order in which newLayout's families get their samples.
func values(v []value, s *Status) []value {
	st := &s.Stage
	v = append(v, whole(1), seconds(s.Uptime), boolean(st.State == Running), boolean(st.State == Stopped), boolean(st.State == Faulted),
		whole(st.Activations), seconds(st.Longest), whole(st.StackHighWater), whole(st.StackSize), whole(st.Faults), whole(st.Restarts),
		whole(uint64(st.RestartsLastMinute)), whole(uint64(st.RestartsPerMinute)), boolean(st.StaysDown))
	if st.Fault != nil {
		v = append(v, whole(1))
	}
	v = append(v, boolean(s.Crash != nil), whole(s.Runtime.GCs), whole(s.Runtime.HeapBytes), whole(s.Runtime.Goroutines))
	for i := range s.Devices {
		d := &s.Devices[i]
		v = append(v, boolean(d.Up), boolean(d.Diverted), boolean(d.NotRealTime != ""))
		v = groupValues(v, d.Groups)
	}
	return groupValues(v, s.Groups)
}

func groupValues(v []value, groups []Group) []value {
	for i := range groups {
		for j := range groups[i].Counters {
			c := &groups[i].Counters[j]
			v = append(v, whole(c.Value))
			if c.Latency != nil {
				v = latencyValues(v, c.Latency)
			}
		}
	}
	return v
}

// latencyValues appends the samples of a histogram: its buckets, each with all that is before it, the one without an end, sum and number.
func latencyValues(v []value, l *Latency) []value {
	n := uint64(0)
	for i := range l.Buckets {
		if l.Buckets[i].Below != 0 {
			n += l.Buckets[i].Frames
			v = append(v, whole(n))
		}
	}
	return append(v, whole(l.Frames), seconds(l.Sum), whole(l.Frames))
}

func boolean(b bool) value {
	if b {
		return whole(1)
	}
	return whole(0)
}

// family is a metric with its samples, which the format wants together.
type family struct {
	name, help, kind string
	samples          []line // text: labels
}

// families are metrics in the order in which they first came.
type families struct {
	order   []*family
	byName  map[string]*family
	samples int
}

// add appends a sample. labels are names and values in turn.
func (f *families) add(name, kind, help string, labels ...string) {
	f.addSample(name, "", kind, help, labels...)
}

// addSample appends a sample of a metric whose name has a suffix in it.
func (f *families) addSample(name, suffix, kind, help string, labels ...string) {
	m := f.byName[name]
	if m == nil {
		m = &family{name: name, help: help, kind: kind}
		f.byName[name] = m
		f.order = append(f.order, m)
	}
	var b strings.Builder
	b.WriteString(suffix)
	for i := 0; i+1 < len(labels); i += 2 {
		sep := byte(',')
		if i == 0 {
			sep = '{'
		}
		b.WriteByte(sep)
		b.WriteString(labels[i] + `="` + escapeLabel(labels[i+1]) + `"`)
	}
	if len(labels) > 1 {
		b.WriteByte('}')
	}
	m.samples = append(m.samples, line{text: b.String(), value: f.samples})
	f.samples++
}

func escapeLabel(s string) string {
	return strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`).Replace(s)
}
func escapeHelp(s string) string { return strings.NewReplacer(`\`, `\\`, "\n", `\n`).Replace(s) }

const (
	counter = "counter"
	gauge   = "gauge"

	histogram = "histogram"
)

// newLayout puts the text for s and its like together. A sample is the next of values.
func newLayout(s *Status) *layout {
	f := &families{byName: map[string]*family{}}
	f.add("mortise_build_info", gauge, "The firmware; the value is always 1.",
		"version", s.Version, "board", s.Board, "go", s.Runtime.GoVersion)
	f.add("mortise_uptime_seconds", gauge, "Time since the start.")
	f.stage(&s.Stage)
	f.add("mortise_crash_before", gauge, "1 when the run before ended without being asked to.")
	f.add("mortise_gc_cycles_total", counter, "Garbage collections of the in-band stage.")
	f.add("mortise_heap_bytes", gauge, "Heap occupied by objects.")
	f.add("mortise_goroutines", gauge, "Live goroutines.")
	for i := range s.Devices {
		f.device(&s.Devices[i])
	}
	for i := range s.Groups {
		f.group(&s.Groups[i])
	}
	return &layout{of: s, lines: f.lines()}
}

func (f *families) stage(s *Stage) {
	for _, state := range []State{Running, Stopped, Faulted} {
		f.add("mortise_stage_state", gauge, "1 for the state that the oob stage is in.", "state", string(state))
	}
	f.add("mortise_stage_activations_total", counter, "Activations of the oob stage.")
	f.add("mortise_stage_longest_activation_seconds", gauge, "Longest activation of the oob stage.")
	f.add("mortise_stage_stack_high_water_bytes", gauge, "Most of the oob stack that was ever used.")
	f.add("mortise_stage_stack_size_bytes", gauge, "Size of the oob stack.")
	f.add("mortise_stage_faults_total", counter, "Faults in oob code that were contained.")
	f.add("mortise_stage_restarts_total", counter, "Restarts of the oob stage, by the policy and by command.")
	f.add("mortise_stage_restarts_last_minute", gauge, "Restarts by the policy in the last minute.")
	f.add("mortise_stage_restarts_per_minute", gauge, "Restarts that the policy allows in a minute.")
	f.add("mortise_stage_stays_down", gauge, "1 when the policy does not start the oob stage any more.")
	if s.Fault != nil {
		f.add("mortise_stage_last_fault_info", gauge, "The last fault in oob code; the value is always 1.",
			"kind", s.Fault.Kind, "function", s.Fault.Function, "pc", address(s.Fault.PC))
	}
}

func (f *families) device(d *Device) {
	f.add("mortise_link_up", gauge, "1 when the device's link is up.", "device", d.Name)
	f.add("mortise_diverted", gauge, "1 when the oob stage gets the device's frames first.", "device", d.Name)
	f.add("mortise_not_real_time", gauge, "1 when the device has a stock driver: nothing that it carries is real-time.", "device", d.Name)
	for i := range d.Groups {
		f.group(&d.Groups[i], "device", d.Name)
	}
}

// group adds the counters of g. Drops are one metric, by reason, so that they can be summed.
func (f *families) group(g *Group, labels ...string) {
	if g.Of != "" {
		labels = append(labels[:len(labels):len(labels)], g.Name, g.Of)
	}
	for _, c := range g.Counters {
		unit := c.Unit
		if unit == "" {
			unit = "frames"
		}
		prefix := "mortise_" + g.Name + "_"
		switch c.Kind {
		case Drop:
			f.add(prefix+"dropped_frames_total", counter, "Frames dropped, by reason.",
				append(labels[:len(labels):len(labels)], "reason", c.Name)...)
		case Rule:
			f.add(prefix+"matched_frames_total", counter, "Frames that a rule took, by rule.",
				append(labels[:len(labels):len(labels)], "rule", c.Name)...)
			if c.Latency != nil {
				f.latency(prefix+"latency_seconds", c.Latency, append(labels[:len(labels):len(labels)], "rule", c.Name))
			}
		case Gauge:
			f.add(prefix+join(c.Name, unit), gauge, sentence(c), labels...)
		default:
			f.add(prefix+join(c.Name, unit)+"_total", counter, sentence(c), labels...)
		}
	}
}

// latency adds a histogram.
func (f *families) latency(name string, l *Latency, labels []string) {
	const help = "Time from the beginning of the activation that received a frame to its hand-over to a destination's transmit ring, by rule."
	for i := range l.Buckets {
		if below := l.Buckets[i].Below; below != 0 {
			f.addSample(name, "_bucket", histogram, help, append(labels[:len(labels):len(labels)], "le", strconv.FormatFloat(below.Seconds(), 'g', -1, 64))...)
		}
	}
	f.addSample(name, "_bucket", histogram, help, append(labels[:len(labels):len(labels)], "le", "+Inf")...)
	f.addSample(name, "_sum", histogram, help, labels...)
	f.addSample(name, "_count", histogram, help, labels...)
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

// lines returns the samples in the order of the text, each with its metric's name, and the first with its description.
func (f *families) lines() (out []line) {
	for _, m := range f.order {
		above := fmt.Sprintf("# HELP %s %s\n# TYPE %s %s\n", m.name, escapeHelp(m.help), m.name, m.kind)
		for _, s := range m.samples {
			out = append(out, line{text: above + m.name + s.text + " ", value: s.value})
			above = ""
		}
	}
	return out
}
