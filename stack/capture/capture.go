// Package capture keeps frames as they pass, each capture in a file that Wireshark and tshark read.
//
// A capture is bounded: by a number of frames, by its file's size, by what of each frame is kept. It writes to memory; its file is put
// where files are kept once a second while frames come, and when the capture ends. Where frames come from, and what they cost there, is
// its sources' affair: they never wait for it.
//
// Stage: in-band. Follows: draft-ietf-opsawg-pcap-05 (magic number 0xa1b23c4d: nanoseconds; link type 1: Ethernet). Does not support:
// pcapng, directions.
package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"
	"unsafe"

	"mortise/stack/filter/rules"
	"mortise/stack/filter/rules/compile"
	"mortise/stack/frame"
)

// Limits. Their sizes are choices: files for captures and filter programs have 1 MiB in all (package files).
const (
	MaxKept    = 3         // captures that run or have ended, and are not removed
	MaxRunning = 2         // captures at a time
	MaxBytes   = 256 << 10 // of a capture's file
	MaxSnap    = 1522      // bytes of a frame: the largest there is
	// MaxPackets is as many of the smallest frames as a file has room for.
	MaxPackets = (MaxBytes - headerSize) / (recordSize + minFrame)

	minSnap    = 14 // the Ethernet header
	minFrame   = 60
	headerSize = 24
	recordSize = 16
	nameMost   = 32
)

// Folder is where the files are.
const Folder = "/captures/"

// flushPeriod is how far behind the file of a running capture may be.
const flushPeriod = time.Second

// What can be wrong, wrapped with its values.
var (
	ErrInvalid = errors.New("invalid")
	ErrUnknown = errors.New("no such capture")
	ErrRefused = errors.New("refused")
)

// Options say what to keep.
type Options struct {
	Name    string // of the file, without the folder and ".pcap"
	Port    string // what its frames came on, for who asks
	Packets int    // 0: MaxPackets
	Snap    int    // bytes of each frame; 0: MaxSnap
	Rule    string // as forwarding rules have it, "ethertype=profinet vlan=42"; empty: all frames
}

// Source is where frames come from while it is open.
type Source interface {
	Dropped() uint32 // frames that the capture missed
	Close() error
}

// Take gets a frame: it has whole bytes, of which the caller knows b. b is the caller's again behind it.
type Take func(at time.Time, b []byte, whole int)

// Store keeps files.
type Store interface {
	Put(path string, text []byte) error
	Remove(path string) error
}

// State is how a capture is.
type State struct {
	Name    string `json:"name"`
	Port    string `json:"port"`
	File    string `json:"file"`
	Running bool   `json:"running"`
	Ended   string `json:"ended,omitempty"` // why
	Frames  int    `json:"frames"`          // kept
	Passed  int    `json:"passed"`          // seen, those that the rule does not fit with them
	Dropped uint32 `json:"dropped"`         // missed: the oob stage makes so many copies, and the queue has so much room
	Bytes   int    `json:"bytes"`           // of the file
	Packets int    `json:"packets"`         // that it ends with
	Snap    int    `json:"snaplen"`
	Rule    string `json:"rule,omitempty"`
}

// Set is the captures of a gateway.
type Set struct {
	store Store

	mu   sync.Mutex
	list []*capture
}

// New returns a set without captures.
func New(store Store) *Set { return &Set{store: store} }

// capture is one of them.
type capture struct {
	o       Options
	sources []Source
	end     chan struct{} // closed when it is to end
	ended   chan struct{} // closed when it has
	table   *rules.Table

	mu             sync.Mutex
	file           []byte
	frames, passed int
	put            int // bytes of the file that the store has
	why            string
	dropped        uint32
}

// Start begins a capture. open opens its sources, which give frames to take from then on. The name of one that has ended is free: its
// file goes. Nothing changes when it returns an error.
func (s *Set) Start(o Options, open func(take Take) ([]Source, error)) error {
	c := &capture{o: o, end: make(chan struct{}), ended: make(chan struct{})}
	if err := c.check(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	running := 0
	old := -1
	for i, other := range s.list {
		if other.isRunning() {
			running++
		}
		if other.o.Name == o.Name {
			old = i
		}
	}
	switch {
	case old >= 0 && s.list[old].isRunning():
		return fmt.Errorf("capture %s: %w: it is running", o.Name, ErrRefused)
	case running == MaxRunning:
		return fmt.Errorf("capture %s: %w: %d are running, at most %d may", o.Name, ErrRefused, running, MaxRunning)
	case old < 0 && len(s.list) == MaxKept:
		return fmt.Errorf("capture %s: %w: %d are kept, at most %d may be; remove one", o.Name, ErrRefused, len(s.list), MaxKept)
	}
	c.file = c.header(make([]byte, 0, MaxBytes))
	if err := c.open(open); err != nil {
		return fmt.Errorf("capture %s: %w", o.Name, err)
	}
	if old >= 0 {
		s.list[old] = c
	} else {
		s.list = append(s.list, c)
	}
	go c.run(s.store)
	return nil
}

// open opens the sources; what they give meanwhile waits until it is known how to close them.
func (c *capture) open(open func(take Take) ([]Source, error)) (err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sources, err = open(c.take)
	return err
}

// check refuses options that make no sense, and fills in those that are left out.
func (c *capture) check() error {
	o := &c.o
	if o.Packets == 0 {
		o.Packets = MaxPackets
	}
	if o.Snap == 0 {
		o.Snap = MaxSnap
	}
	name := strings.Trim(o.Name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")
	switch {
	case o.Name == "" || name != "" || len(o.Name) > nameMost:
		return fmt.Errorf("capture %q: %w: want a name of up to %d letters, digits, - and _", o.Name, ErrInvalid, nameMost)
	case o.Packets < 1 || o.Packets > MaxPackets:
		return fmt.Errorf("capture %s: %d frames: %w, want 1 to %d", o.Name, o.Packets, ErrInvalid, MaxPackets)
	case o.Snap < minSnap || o.Snap > MaxSnap:
		return fmt.Errorf("capture %s: %d bytes of a frame: %w, want %d to %d", o.Name, o.Snap, ErrInvalid, minSnap, MaxSnap)
	}
	if o.Rule == "" {
		return nil
	}
	r, err := compile.ParseLine(o.Rule)
	if err != nil {
		return fmt.Errorf("capture %s: rule %q: %w: %w", o.Name, o.Rule, ErrInvalid, err)
	}
	c.table = new(rules.Table)
	if err := compile.Compile(c.table, []*compile.Rule{r}); err != nil {
		return fmt.Errorf("capture %s: rule %q: %w: %w", o.Name, o.Rule, ErrInvalid, err)
	}
	return nil
}

// run puts the file where it is to be, now and then and at the end.
func (c *capture) run(store Store) {
	defer close(c.ended)
	tick := time.NewTicker(flushPeriod)
	defer tick.Stop()
	for {
		c.flush(store)
		select {
		case <-c.end:
			for _, s := range c.sources {
				_ = s.Close()
			}
			c.flush(store)
			return
		case <-tick.C:
		}
	}
}

// flush puts the file where it is to be, if there is more of it.
func (c *capture) flush(store Store) {
	c.mu.Lock()
	text := slices.Clone(c.file)
	more := len(text) > c.put
	c.mu.Unlock()
	if !more {
		return
	}
	if err := store.Put(c.path(), text); err != nil {
		c.finish("the file cannot be kept: " + err.Error())
		return
	}
	c.mu.Lock()
	c.put = len(text)
	c.mu.Unlock()
}

func (c *capture) path() string { return Folder + c.o.Name + ".pcap" }

// take is Take.
func (c *capture) take(at time.Time, b []byte, whole int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.why != "" {
		return
	}
	if c.passed++; !c.fits(b) {
		return
	}
	b = b[:min(len(b), c.o.Snap)]
	if len(c.file)+recordSize+len(b) > MaxBytes {
		c.stop(fmt.Sprintf("the file has no room for another frame: %d bytes", MaxBytes))
		return
	}
	c.file = c.record(c.file, at, b, whole)
	if c.frames++; c.frames == c.o.Packets {
		c.stop(fmt.Sprintf("it has %d frames", c.frames))
	}
}

// scratch has a frame where rules want it: behind two bytes, in memory that does not move.
var scratch struct {
	sync.Mutex
	words [(frame.Pad + MaxSnap + 3) / 4]uint32
}

// fits reports whether the frame is to be kept.
func (c *capture) fits(b []byte) bool {
	if c.table == nil {
		return true
	}
	scratch.Lock()
	defer scratch.Unlock()
	to := unsafe.Slice((*byte)(unsafe.Pointer(&scratch.words)), len(scratch.words)*4)[frame.Pad:]
	n := copy(to, b[:min(len(b), MaxSnap)])
	return c.table.Match(uintptr(unsafe.Pointer(&to[0])), uint32(n)) != rules.None
}

// stop ends the capture. The caller holds c.mu.
func (c *capture) stop(why string) {
	if c.why != "" {
		return
	}
	c.why = why
	for _, s := range c.sources {
		c.dropped += s.Dropped()
	}
	close(c.end)
}

// finish ends the capture.
func (c *capture) finish(why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stop(why)
}

func (c *capture) isRunning() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.why == ""
}

// header appends the file's header.
func (c *capture) header(b []byte) []byte {
	order := binary.LittleEndian
	b = order.AppendUint32(b, 0xa1b23c4d)
	b = order.AppendUint16(order.AppendUint16(b, 2), 4)
	b = append(b, make([]byte, 8)...) // time zone and accuracy: always 0
	return order.AppendUint32(order.AppendUint32(b, uint32(c.o.Snap)), 1)
}

// record appends a frame.
func (c *capture) record(b []byte, at time.Time, frame []byte, whole int) []byte {
	order := binary.LittleEndian
	b = order.AppendUint32(b, uint32(at.Unix()))
	b = order.AppendUint32(b, uint32(at.Nanosecond()))
	b = order.AppendUint32(b, uint32(len(frame)))
	return append(order.AppendUint32(b, uint32(whole)), frame...)
}

// Stop ends a capture, and returns when its file is complete. One that has ended is no error.
func (s *Set) Stop(name string) error {
	c, err := s.find(name)
	if err != nil {
		return err
	}
	c.finish("it was stopped")
	<-c.ended
	return nil
}

// StopPort ends the captures of a port, which goes.
func (s *Set) StopPort(port string) {
	s.mu.Lock()
	list := slices.Clone(s.list)
	s.mu.Unlock()
	for _, c := range list {
		if c.o.Port == port {
			c.finish("the port changed")
			<-c.ended
		}
	}
}

// Remove ends a capture and takes its file away.
func (s *Set) Remove(name string) error {
	if err := s.Stop(name); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, c := range s.list {
		if c.o.Name == name && !c.isRunning() {
			s.list = slices.Delete(s.list, i, i+1)
			if err := s.store.Remove(c.path()); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			return nil
		}
	}
	return nil
}

func (s *Set) find(name string) (*capture, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names string
	for _, c := range s.list {
		if c.o.Name == name {
			return c, nil
		}
		names += " " + c.o.Name
	}
	return nil, fmt.Errorf("%q: %w; there are:%s", name, ErrUnknown, names)
}

// List returns the state of all captures.
func (s *Set) List() []State {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]State, 0, len(s.list))
	for _, c := range s.list {
		list = append(list, c.state())
	}
	return list
}

func (c *capture) state() State {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := State{
		Name: c.o.Name, Port: c.o.Port, File: c.path(), Running: c.why == "", Ended: c.why, Frames: c.frames, Passed: c.passed,
		Dropped: c.dropped, Bytes: len(c.file), Packets: c.o.Packets, Snap: c.o.Snap, Rule: c.o.Rule,
	}
	if t.Running {
		for _, s := range c.sources {
			t.Dropped += s.Dropped()
		}
	}
	return t
}

func (t State) String() string {
	s := fmt.Sprintf("%s: of %s, %d frames, %d bytes in %s, %d dropped", t.Name, t.Port, t.Frames, t.Bytes, t.File, t.Dropped)
	if t.Rule != "" {
		s += fmt.Sprintf(", those of %d with %s", t.Passed, t.Rule)
	}
	if t.Running {
		return s + fmt.Sprintf("; running, up to %d frames", t.Packets)
	}
	return s + "; ended: " + t.Ended
}
