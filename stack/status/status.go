// Package status shows what the gateway does: a page for people at /, Prometheus text at /metrics, JSON at /api/status.
//
// The package knows no stage and no driver: the image gives it a Source, which is asked once for each request.
//
// Stage: in-band. Follows: Prometheus text exposition format 0.0.4; RFC 9110 (HTTP). Does not support: changing anything
// (what an image serves beside the page may), TLS.
package status

import (
	"runtime"
	"runtime/metrics"
	"time"
)

// Source returns the state of the gateway now. It is called from several goroutines.
type Source func() *Status

// Status is the state of a gateway at one time.
type Status struct {
	Name    string        `json:"name"`
	Version string        `json:"version"`
	Board   string        `json:"board"`
	Uptime  time.Duration `json:"uptime_ns"`
	Stage   Stage         `json:"stage"`
	Crash   *Crash        `json:"crash,omitempty"` // of the run before, if it ended without being asked to
	Runtime Runtime       `json:"runtime"`
	Devices []Device      `json:"devices"`
	Groups  []Group       `json:"counters"` // of no device: the in-band stack as a whole
}

// State is what the oob stage does.
type State string

// States of the oob stage.
const (
	Running State = "running"
	Stopped State = "stopped"
	Faulted State = "faulted" // stopped by a fault
)

// Stage is the oob stage.
type Stage struct {
	State          State         `json:"state"`
	Fault          *Fault        `json:"fault,omitempty"` // the last one, if there was one
	Activations    uint64        `json:"activations"`
	Longest        time.Duration `json:"longest_activation_ns"`
	StackHighWater uint64        `json:"stack_high_water_bytes"`
	StackSize      uint64        `json:"stack_size_bytes"`

	Faults             uint64 `json:"faults"`
	Restarts           uint64 `json:"restarts"`
	RestartsLastMinute int    `json:"restarts_last_minute"` // by the policy
	RestartsPerMinute  int    `json:"restarts_per_minute"`  // that the policy allows
	StaysDown          bool   `json:"stays_down"`           // the policy's restarts are used up
}

// Crash is what the run before left in memory that survives a reset.
type Crash struct {
	Firmware    string        `json:"firmware"`
	Uptime      time.Duration `json:"uptime_ns"` // when it last said so
	Doing       string        `json:"doing"`     // the oob stage
	Activations uint64        `json:"activations"`
	Faults      uint64        `json:"faults"`
	Restarts    uint64        `json:"restarts"`
	InbandDead  bool          `json:"inband_silent"`
	Report      string        `json:"report,omitempty"` // of its last fault
}

// Fault is a fault in oob code.
type Fault struct {
	Kind     string `json:"kind"`
	Function string `json:"function"`
	PC       uint32 `json:"pc"`
	File     string `json:"file,omitempty"`
	Line     int    `json:"line,omitempty"`
	Cause    string `json:"cause,omitempty"`  // service of the Go runtime that was called
	Chain    []Call `json:"chain,omitempty"`  // innermost call first
	Detail   string `json:"detail,omitempty"` // all there is, in lines
}

// Call is an element of a call chain.
type Call struct {
	PC       uint32 `json:"pc"`
	Function string `json:"function,omitempty"`
	File     string `json:"file,omitempty"`
	Line     int    `json:"line,omitempty"`
}

// Runtime is what Go's runtime says of the in-band stage.
type Runtime struct {
	GoVersion  string `json:"go_version"`
	GCs        uint64 `json:"gc_cycles"`
	HeapBytes  uint64 `json:"heap_bytes"`
	Goroutines uint64 `json:"goroutines"`
}

// Device is a network controller.
type Device struct {
	Name       string `json:"name"`
	Controller string `json:"controller"`
	MAC        string `json:"mac"`
	MACSource  string `json:"mac_source"`
	Up         bool   `json:"link_up"`
	Link       string `json:"link,omitempty"` // "100 Mbit/s full duplex"
	Diverted   bool   `json:"diverted"`
	// NotRealTime says why nothing that the device carries is real-time, whatever stage serves it; "": it is.
	NotRealTime string `json:"not_real_time,omitempty"`
	// Timestamps is what times of its frames are noted by, "software" or "hardware"; "": by nothing.
	Timestamps string  `json:"timestamps,omitempty"`
	Ports      []Port  `json:"ports"`
	Groups     []Group `json:"counters"`
}

// Port is an interface on a device.
type Port struct {
	Name    string `json:"name"`
	VID     uint16 `json:"vid,omitempty"`
	Address string `json:"address"`
	Oob     bool   `json:"oob"`
	Accepts string `json:"accepts,omitempty"` // what of it is oob, in words
}

// Group is a set of counters that one part keeps. Its name is part of the metrics' names: lower-case letters and
// underscores.
type Group struct {
	Name     string    `json:"name"`         // "driver", "crossing", "oob", "inband"
	Of       string    `json:"of,omitempty"` // which of several of this name: a label of the metrics, called like the group
	Title    string    `json:"title"`
	Counters []Counter `json:"values"`
}

// Kind says what the number of a Counter is.
type Kind string

// Kinds of counters.
const (
	Count Kind = "count"
	Drop  Kind = "drop" // frames dropped for the reason that the counter's name says
	Gauge Kind = "gauge"
	Rule  Kind = "rule" // frames that the rule of this name took
)

// Counter is a named number.
type Counter struct {
	Name  string `json:"name"` // lower-case letters, digits and underscores; in a rule's hyphens, too
	Help  string `json:"help,omitempty"`
	Kind  Kind   `json:"kind"`
	Unit  string `json:"unit,omitempty"` // "": frames
	Value uint64 `json:"value"`
	// Latency is how long the frames of a rule took; nil: nobody knows.
	Latency *Latency `json:"latency,omitempty"`
}

// Latency is how long frames took.
type Latency struct {
	Frames  uint64        `json:"frames"`
	Sum     time.Duration `json:"sum_ns"`
	Buckets []Bucket      `json:"buckets,omitempty"` // those that are not empty, in their order
}

// Bucket is the frames that took less than a time, and not less than another bucket's.
type Bucket struct {
	Below  time.Duration `json:"below_ns"` // 0: the last one, which has no end
	Frames uint64        `json:"frames"`
}

// within returns the time within which a part of the frames is done, of 1000: the end of a bucket, 0 for the one that has none.
func (l *Latency) within(permille uint64) time.Duration {
	left := (l.Frames*permille + 999) / 1000
	for i := range l.Buckets {
		if b := &l.Buckets[i]; b.Frames >= left {
			return b.Below
		} else {
			left -= b.Frames
		}
	}
	return 0
}

// ReadRuntime fills in Runtime, without stopping the world.
func ReadRuntime() Runtime {
	samples := []metrics.Sample{
		{Name: "/gc/cycles/total:gc-cycles"},
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/sched/goroutines:goroutines"},
	}
	metrics.Read(samples)
	value := func(i int) uint64 {
		if samples[i].Value.Kind() != metrics.KindUint64 {
			return 0
		}
		return samples[i].Value.Uint64()
	}
	return Runtime{GoVersion: runtime.Version(), GCs: value(0), HeapBytes: value(1), Goroutines: value(2)}
}
