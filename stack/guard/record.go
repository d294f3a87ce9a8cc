package guard

import (
	"fmt"
	"hash/crc32"
	"strings"
	"time"

	"mortise/drivers/mmio"
	"mortise/stack/stage"
)

// The record's words. Those that are one word each need no checksum: their values are few.
const (
	wordMagic = 0
	wordDoing = 1 // oob's
	wordAlone = 2 // oob's
	wordAsked = 3
	wordBeat  = 8 // two copies, written in turn: one is whole, whenever the reset comes
	beatWords = 8
	wordText  = wordBeat + 2*beatWords

	textHead = 3 // length in bytes, uptime in ms, checksum
	// MaxText is how much of a fault's report is kept, in bytes.
	MaxText   = 3 << 10
	textWords = MaxText / 4

	wordFirmware  = wordText + textHead + textWords // checksum, Firmware.Image, length, the version's text
	maxVersion    = 64                              // bytes
	firmwareWords = 3 + maxVersion/4

	wordTrace = wordFirmware + firmwareWords // the fault vectors'
	// RecordSize is the memory that a record needs, in bytes.
	RecordSize = 4*wordTrace + stage.TraceSize

	magic = 0x3252434d // "MCR2"
)

// Firmware says which image a run is of.
type Firmware struct {
	Version string // its first maxVersion bytes count
	Image   uint32 // a checksum of the image's code: versions can be alike
}

func (f Firmware) String() string { return fmt.Sprintf("%s (image %08x)", f.Version, f.Image) }

// What the oob stage is doing, as it stores it at Record.Doing: frames that the devices received are the rest, so that their
// path has nothing to store.
const (
	DoingKick = 0x4b49434b // in-band's frames to send, and what it asks for
	DoingTask = 0x5441534b
	// What the fault vectors leave when they have failed.
	doingContain = stage.MarkContain
)

// Record is the memory of a run that the next run can read: physical memory that no loader writes, and that no cache
// holds.
type Record struct {
	base uintptr
	seq  uint32
}

// Beat is what in-band notes each time it feeds the watchdog.
type Beat struct {
	Uptime      time.Duration
	Activations uint32
	Faults      uint32
	Restarts    uint32
	Serving     bool // the oob stage
}

// Crash is what a run left behind that did not end by being asked to.
type Crash struct {
	Firmware Firmware
	Same     bool   // it is the firmware that runs now
	Last     Beat   // at most a quarter of the watchdog's timeout old
	Doing    string // what the oob stage was doing
	Alone    bool   // in-band was silent, and the oob stage went on without it
	Report   string // of the last fault, "" if there was none
	ReportAt time.Duration

	// Trace is a fault that in-band did not get to report: later than Report, if there is one; nil if there is none.
	Trace *stage.Trace
}

// Open returns the record at base, RecordSize bytes, anew, of a run of firmware f, and what the run before it left there, nil
// if nothing.
func Open(base uintptr, f Firmware) (*Record, *Crash) {
	f.Version = f.Version[:min(len(f.Version), maxVersion)]
	r := &Record{base: base}
	before := r.read()
	if before != nil {
		before.Same = before.Firmware == f
	}
	for i := uintptr(0); i < wordText+textHead; i++ {
		r.store(i, 0)
	}
	r.store(wordTrace, 0)
	r.setFirmware(f)
	r.Beat(Beat{})
	r.store(wordMagic, magic)
	return r, before
}

// Doing is the address of the word that says what the oob stage is doing.
func (r *Record) Doing() uintptr { return r.base + 4*wordDoing }

// Alone is the address of the word in which the oob stage counts how often it fed the watchdog, or did not, since in-band
// was silent.
func (r *Record) Alone() uintptr { return r.base + 4*wordAlone }

// Trace is the address of the stage.TraceSize bytes for the fault vectors.
func (r *Record) Trace() uintptr { return r.base + 4*wordTrace }

// AskedFor says that a reset follows which somebody wants: there is nothing to report after it.
func (r *Record) AskedFor() { r.store(wordAsked, 1) }

// Beat notes b.
func (r *Record) Beat(b Beat) {
	r.seq++
	serving := uint32(0)
	if b.Serving {
		serving = 1
	}
	words := [beatWords - 1]uint32{
		r.seq, uint32(b.Uptime / time.Millisecond), b.Activations, b.Faults, b.Restarts, serving,
	}
	at := uintptr(wordBeat + r.seq%2*beatWords)
	for i, w := range words {
		r.store(at+uintptr(i), w)
	}
	r.store(at+beatWords-1, sum(words[:]))
	r.store(wordAlone, 0)
}

// Fault keeps a fault's report, or its first MaxText bytes, in place of its trace.
func (r *Record) Fault(report string, uptime time.Duration) {
	report = report[:min(len(report), MaxText)]
	words := append([]uint32{uint32(uptime / time.Millisecond)}, pack(report)...)
	r.store(wordText, 0) // none, while it is being written
	for i, w := range words[1:] {
		r.store(wordText+textHead+uintptr(i), w)
	}
	r.store(wordText+1, words[0])
	r.store(wordText+2, sum(words))
	r.store(wordText, uint32(len(report)))
	r.store(wordTrace, 0)
}

// pack returns a text as words.
func pack(s string) []uint32 {
	words := make([]uint32, (len(s)+3)/4)
	for i := range len(s) {
		words[i/4] |= uint32(s[i]) << (i % 4 * 8)
	}
	return words
}

// unpack returns the n bytes of text that words hold.
func unpack(words []uint32, n uint32) string {
	var b strings.Builder
	for i := range n {
		b.WriteByte(byte(words[i/4] >> (i % 4 * 8)))
	}
	return b.String()
}

func (r *Record) setFirmware(f Firmware) {
	words := append([]uint32{f.Image, uint32(len(f.Version))}, pack(f.Version)...)
	for i, w := range words {
		r.store(wordFirmware+1+uintptr(i), w)
	}
	r.store(wordFirmware, sum(words))
}

func (r *Record) firmware() Firmware {
	n := r.load(wordFirmware + 2)
	if n > maxVersion {
		return Firmware{}
	}
	words := make([]uint32, 2+(n+3)/4)
	for i := range words {
		words[i] = r.load(wordFirmware + 1 + uintptr(i))
	}
	if sum(words) != r.load(wordFirmware) {
		return Firmware{}
	}
	return Firmware{Version: unpack(words[2:], n), Image: words[0]}
}

// read returns what stands in the record.
func (r *Record) read() *Crash {
	if r.load(wordMagic) != magic || r.load(wordAsked) != 0 {
		return nil
	}
	b, ok := r.beat()
	if !ok {
		return nil
	}
	c := &Crash{Last: b, Alone: r.load(wordAlone) != 0, Doing: doing(r.load(wordDoing), b.Serving)}
	c.Firmware = r.firmware()
	c.Report, c.ReportAt = r.text()
	c.Trace = stage.ReadTrace(func(word int) uint32 { return r.load(wordTrace + uintptr(word)) })
	return c
}

// beat returns the newer of the beats that are whole.
func (r *Record) beat() (b Beat, ok bool) {
	newest := uint32(0)
	for i := uintptr(0); i < 2; i++ {
		var w [beatWords]uint32
		for j := range w {
			w[j] = r.load(wordBeat + i*beatWords + uintptr(j))
		}
		if sum(w[:beatWords-1]) != w[beatWords-1] || w[0] <= newest {
			continue
		}
		newest, ok = w[0], true
		b = Beat{
			Uptime: time.Duration(w[1]) * time.Millisecond, Activations: w[2], Faults: w[3], Restarts: w[4], Serving: w[5] != 0,
		}
	}
	return b, ok
}

func (r *Record) text() (s string, at time.Duration) {
	n := r.load(wordText)
	if n == 0 || n > MaxText {
		return "", 0
	}
	words := make([]uint32, 1+(n+3)/4)
	words[0] = r.load(wordText + 1)
	for i := range words[1:] {
		words[1+i] = r.load(wordText + textHead + uintptr(i))
	}
	if sum(words) != r.load(wordText+2) {
		return "", 0
	}
	return unpack(words[1:], n), time.Duration(words[0]) * time.Millisecond
}

func doing(w uint32, serving bool) string {
	switch {
	case w == DoingKick:
		return "an activation for a kick of in-band"
	case w == DoingTask:
		return "its tasks"
	case w == doingContain:
		return "the containment of a fault, which failed"
	case !serving:
		return "nothing: it was stopped"
	}
	return "an activation for received frames, or none"
}

// String is the report of c, several lines.
func (c *Crash) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "the run before ended without being asked to, %v after its start or a little later\n", c.Last.Uptime)
	which := "another one"
	if c.Same {
		which = "the same"
	}
	fmt.Fprintf(&b, "  firmware: %v, %s\n", c.Firmware, which)
	fmt.Fprintf(&b, "  oob stage: %s; %d activations, %d faults, %d restarts\n",
		c.Doing, c.Last.Activations, c.Last.Faults, c.Last.Restarts)
	if c.Alone {
		b.WriteString("  in-band was silent\n")
	}
	switch {
	case c.Report == "":
	case c.Trace != nil:
		fmt.Fprintf(&b, "  its last fault, which in-band did not report: %s", c.Report)
	default:
		fmt.Fprintf(&b, "  its last fault, after %v: %s", c.ReportAt, c.Report)
	}
	return b.String()
}

// Sum is a checksum of code that notices whatever moves in it: of one word in 64.
func Sum(code []uint32) uint32 {
	h := uint32(2166136261) // FNV-1a, by words
	for i := 0; i < len(code); i += 64 {
		h = (h ^ code[i]) * 16777619
	}
	return h
}

// sum is the checksum of words.
func sum(words []uint32) uint32 {
	crc := uint32(magic) // words that are all zero are not valid
	for _, w := range words {
		crc = crc32.Update(crc, crc32.IEEETable, []byte{byte(w), byte(w >> 8), byte(w >> 16), byte(w >> 24)})
	}
	return crc
}

func (r *Record) load(word uintptr) uint32     { return mmio.LoadMem(r.base + 4*word) }
func (r *Record) store(word uintptr, v uint32) { mmio.StoreMem(r.base+4*word, v) }
