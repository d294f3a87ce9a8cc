package capture

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"testing"
	"time"

	"mortise/stack/wire"
	"mortise/stack/wire/wiretest"
	"mortise/tools/pcap"
)

// store is a Store in memory.
type store struct {
	sync.Mutex
	files map[string][]byte
	deny  error
}

func (s *store) Put(path string, text []byte) error {
	s.Lock()
	defer s.Unlock()
	if s.deny != nil {
		return s.deny
	}
	s.files[path] = text
	return nil
}

func (s *store) Remove(path string) error {
	s.Lock()
	defer s.Unlock()
	if _, ok := s.files[path]; !ok {
		return fs.ErrNotExist
	}
	delete(s.files, path)
	return nil
}

func (s *store) read(t *testing.T, name string) []pcap.Record {
	t.Helper()
	s.Lock()
	defer s.Unlock()
	r, err := pcap.NewReader(bytes.NewReader(s.files[Folder+name+".pcap"]))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	list, err := r.ReadAll()
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return list
}

// source is a Source that gives what tests say.
type source struct {
	take    Take
	dropped uint32
	closed  int
}

func (s *source) Dropped() uint32 { return s.dropped }
func (s *source) Close() error    { s.closed++; return nil }

func (s *source) open(take Take) ([]Source, error) {
	s.take = take
	return []Source{s}, nil
}

var when = time.Unix(1_767_225_600, 123_456_789)

func frameOf(n int) []byte { return bytes.Repeat([]byte{byte(n)}, n) }

// What a capture keeps is what passed, to the byte and the nanosecond, as far as it was asked to.
func TestCapture(t *testing.T) {
	st, from := &store{files: map[string][]byte{}}, &source{dropped: 7}
	s := New(st)
	if err := s.Start(Options{Name: "a", Port: "rt0", Packets: 3, Snap: 100}, from.open); err != nil {
		t.Fatal(err)
	}
	want := [][]byte{frameOf(60), frameOf(100), frameOf(101)}
	for i, f := range want {
		from.take(when.Add(time.Duration(i)), bytes.Clone(f), len(f))
	}
	from.take(when, frameOf(62), 62) // behind the last one
	if err := s.Stop("a"); err != nil {
		t.Fatal(err)
	}
	got := st.read(t, "a")
	if len(got) != 3 {
		t.Fatalf("%d frames, want 3", len(got))
	}
	for i, r := range got {
		if !bytes.Equal(r.Frame, want[i][:min(100, len(want[i]))]) || r.MicroS != when.UnixMicro() || r.NanoS != 789+i {
			t.Errorf("frame %d: %d bytes at %d µs %d ns", i, len(r.Frame), r.MicroS, r.NanoS)
		}
	}
	if whole := st.files["/captures/a.pcap"][24+16+60+16+100+12]; whole != 101 {
		t.Errorf("the length of a frame that was cut off is %d, want 101", whole)
	}
	state := s.List()[0]
	if state.Running || state.Ended != "it has 3 frames" || state.Frames != 3 || state.Dropped != 7 || state.Bytes != len(st.files["/captures/a.pcap"]) {
		t.Errorf("state %+v", state)
	}
	if from.closed != 1 {
		t.Errorf("the source was closed %d times", from.closed)
	}
	if err := s.Remove("a"); err != nil || len(st.files) != 0 || len(s.List()) != 0 {
		t.Errorf("Remove: %v, files %d, list %v", err, len(st.files), s.List())
	}
}

// Whatever comes, a file is no larger than it may be, and can be read.
func TestBounded(t *testing.T) {
	for _, size := range []int{60, 1522} {
		st, from := &store{files: map[string][]byte{}}, &source{}
		s := New(st)
		if err := s.Start(Options{Name: "a"}, from.open); err != nil {
			t.Fatal(err)
		}
		for range MaxPackets + 10 {
			from.take(when, make([]byte, size), size)
		}
		if err := s.Stop("a"); err != nil {
			t.Fatal(err)
		}
		n := len(st.files["/captures/a.pcap"])
		got := st.read(t, "a")
		if want := min(MaxPackets, (MaxBytes-headerSize)/(recordSize+size)); len(got) != want || n > MaxBytes || s.List()[0].Bytes != n {
			t.Errorf("frames of %d bytes: %d of them, want %d, in %d bytes, want at most %d", size, len(got), want, n, MaxBytes)
		}
	}
}

// The file of a capture that runs can be read.
func TestWhileRunning(t *testing.T) {
	st, from := &store{files: map[string][]byte{}}, &source{}
	s := New(st)
	if err := s.Start(Options{Name: "a"}, from.open); err != nil {
		t.Fatal(err)
	}
	from.take(when, frameOf(60), 60)
	for end := time.Now().Add(10 * flushPeriod); ; time.Sleep(10 * time.Millisecond) {
		st.Lock()
		n := len(st.files["/captures/a.pcap"])
		st.Unlock()
		if n > headerSize {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the file has no frame")
		}
	}
	if got := st.read(t, "a"); len(got) != 1 || !s.List()[0].Running {
		t.Errorf("%d frames, %+v", len(got), s.List()[0])
	}
	s.StopPort("other")
	if !s.List()[0].Running {
		t.Error("it has ended with another port")
	}
	if err := s.Remove("a"); err != nil {
		t.Fatal(err)
	}
}

// A rule lets those frames through that fit it.
func TestRule(t *testing.T) {
	st, from := &store{files: map[string][]byte{}}, &source{}
	s := New(st)
	if err := s.Start(Options{Name: "a", Rule: "ethertype=profinet vlan=42"}, from.open); err != nil {
		t.Fatal(err)
	}
	site := wiretest.DefaultSite()
	fits := append(wire.AppendEthernet(nil, site.VFrom(), 0x8892), make([]byte, 46)...)
	for _, f := range [][]byte{
		append(wire.AppendEthernet(nil, site.From(), 0x8892), make([]byte, 46)...), fits,
		append(wire.AppendEthernet(nil, site.VFrom(), 0x88a4), make([]byte, 46)...), fits[:10], {},
	} {
		from.take(when, f, len(f))
	}
	if err := s.Stop("a"); err != nil {
		t.Fatal(err)
	}
	if got := st.read(t, "a"); len(got) != 1 || !bytes.Equal(got[0].Frame, fits) || s.List()[0].Passed != 5 {
		t.Errorf("%d frames, %+v", len(got), s.List()[0])
	}
}

// A refusal says what and why, and changes nothing.
func TestRefusals(t *testing.T) {
	st, from := &store{files: map[string][]byte{}}, &source{}
	s := New(st)
	for _, name := range []string{"a", "b"} {
		if err := s.Start(Options{Name: name}, from.open); err != nil {
			t.Fatal(err)
		}
	}
	denied := errors.New("no listener left")
	for _, tc := range []struct {
		o    Options
		is   error
		text string
	}{
		{Options{Name: ""}, ErrInvalid, "letters, digits"},
		{Options{Name: "../x"}, ErrInvalid, `"../x"`},
		{Options{Name: "a.b"}, ErrInvalid, "letters, digits"},
		{Options{Name: strings.Repeat("x", 33)}, ErrInvalid, "32"},
		{Options{Name: "c", Packets: -1}, ErrInvalid, "1 to 3448"},
		{Options{Name: "c", Packets: MaxPackets + 1}, ErrInvalid, "1 to 3448"},
		{Options{Name: "c", Snap: 13}, ErrInvalid, "14 to 1522"},
		{Options{Name: "c", Snap: 1523}, ErrInvalid, "14 to 1522"},
		{Options{Name: "c", Rule: "ethertype=nothing"}, ErrInvalid, "ethertype"},
		{Options{Name: "c", Rule: "word"}, ErrInvalid, "name=value"},
		{Options{Name: "a"}, ErrRefused, "it is running"},
		{Options{Name: "c"}, ErrRefused, "2 are running"},
	} {
		if err := s.Start(tc.o, from.open); !errors.Is(err, tc.is) || !strings.Contains(err.Error(), tc.text) {
			t.Errorf("%+v: %v, want %v with %q", tc.o, err, tc.is, tc.text)
		}
	}
	if got := len(s.List()); got != 2 {
		t.Errorf("%d captures, want 2", got)
	}
	if err := s.Stop("b"); err != nil {
		t.Fatal(err)
	}
	if err := s.Start(Options{Name: "b"}, func(Take) ([]Source, error) { return nil, denied }); !errors.Is(err, denied) || len(s.List()) != 2 {
		t.Errorf("no source: %v, %v", err, s.List())
	}
	if err := s.Start(Options{Name: "b"}, from.open); err != nil { // the name is free
		t.Error(err)
	}
	for i := range 3 {
		if err := s.Stop("b"); err != nil {
			t.Fatal(err)
		}
		err := s.Start(Options{Name: fmt.Sprint("c", i)}, from.open)
		if full := i > 0; full != errors.Is(err, ErrRefused) {
			t.Errorf("capture %d: %v", i+3, err)
		}
		if err := s.Stop("c0"); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Stop("nobody"); !errors.Is(err, ErrUnknown) || !strings.Contains(err.Error(), "a b c0") {
		t.Errorf("Stop: %v", err)
	}
	for _, c := range s.List() {
		if err := s.Remove(c.Name); err != nil {
			t.Error(err)
		}
	}
	// A file that cannot be kept ends the capture, and says so.
	st.deny = errors.New("no room")
	if err := s.Start(Options{Name: "d"}, from.open); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(5 * time.Second); s.List()[0].Running && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	if c := s.List()[0]; c.Running || !strings.Contains(c.Ended, "no room") {
		t.Errorf("state %+v", c)
	}
}

// The time of a frame is what the stage's counter said, which has gone around since or not.
func TestElapsed(t *testing.T) {
	for _, tc := range []struct {
		began, now uint64
		queued     uint32
		want       uint64
	}{
		{100, 1100, 600, 500},
		{1<<32 - 10, 1<<32 + 10, 1<<32 - 2, 8},
		{1<<32 - 8, 1<<32 + 100, 8, 16},
		{5, 1<<40 + 5, 1, 1<<40 - 4},
	} {
		if got := elapsed(tc.began, tc.now, tc.queued); got != tc.want {
			t.Errorf("elapsed(%d, %d, %d) = %d, want %d", tc.began, tc.now, tc.queued, got, tc.want)
		}
	}
}
