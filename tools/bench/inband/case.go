package inband

import (
	"bytes"
	"context"
	"fmt"
	"strconv"

	"mortise/tools/qemu"
)

// Image says which firmware a figure is of.
type Image string

// Images.
const (
	Ours  Image = "mortise"
	Spin  Image = "mortise-spin" // with LOAD=spin besides; its figures are shown as ours
	Stock Image = "stock"        // TamaGo's ENET driver, gVisor through its channel endpoint
)

// Case is a kind of traffic. What it costs is counted from when it has warmed up, Count times.
type Case struct {
	Name  string
	About string
	Unit  string
	Count int
	Bound int64 // on our image: Unit's instructions, or Worst's milliseconds
	Worst bool  // the figure is the longest of Count times, in ms
	Spin  bool  // on our image with goroutines that spin: all instructions count, theirs too
	warm  int
	run   func(s *session, warm, count int) (work, error)
}

// work is what was measured for count units.
type work struct {
	instructions int64
	bytes        int // of payload, both ways
	worst        int // releases
}

const (
	discardPort  = 9
	generatePort = 19
	echoPort     = 7777
	statusPort   = 80

	echoPayload = 64
	echoEvery   = 7 // releases: a choice, no multiple of what a page takes
	mib         = 1 << 20
)

// Cases returns all cases. A bound is what was measured when it was written (QEMU 7.2.22, 2026-11-22) and 3 %.
func Cases() []Case {
	return []Case{
		{Name: "tcp-receive", About: "TCP, guest receives", Unit: "MiB", warm: 1, Count: 3, Bound: 27_000_000, run: receive},
		{Name: "tcp-send", About: "TCP, guest sends", Unit: "MiB", warm: 1, Count: 3, Bound: 36_300_000, run: transmit},
		{Name: "http-page", About: "HTTP, the status page", Unit: "request", warm: 5, Count: 40, Bound: 690_000, run: get("/")},
		{Name: "http-metrics", About: "HTTP, /metrics", Unit: "request", warm: 5, Count: 40, Bound: 990_000, run: get("/metrics")},
		{Name: "udp-echo", About: "UDP echo, 64 bytes", Unit: "echo", warm: 50, Count: 500, Bound: 84_000, run: echo},
		{Name: "echo-http", About: "UDP echo while HTTP is served", Unit: "ms, worst", warm: 5, Count: 100, Bound: 8, Worst: true, run: echoUnderHTTP},
		// The bound is the figure. Nothing is measured beside it: stock never answers.
		{Name: "spin-page", About: "HTTP, the status page, LOAD=spin", Unit: "request", warm: 1, Count: 10, Bound: 50_000_000, Spin: true, run: pages("/")},
	}
}

// images returns those that the case runs on.
func (c *Case) images() []Image {
	if c.Spin {
		return []Image{Spin}
	}
	return []Image{Ours, Stock}
}

// Result is what a case costs on an image.
type Result struct {
	Case  string
	Image Image
	Cost  int64 // in the case's unit
	Bytes int   // of payload, a unit
}

// Run measures cases on one image, in one session.
func Run(ctx context.Context, e *qemu.Emulator, kernel, dir string, image Image, cases []Case) (results []Result, err error) {
	s, err := start(ctx, e, kernel, dir, "inband-"+string(image), image != Spin)
	if s != nil {
		defer s.close()
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", image, err)
	}
	for _, c := range cases {
		w, err := c.run(s, c.warm, c.Count)
		if err == nil && s.garbled > 0 {
			err = fmt.Errorf("%d frames with a wrong length or checksum", s.garbled)
		}
		if err == nil {
			err = s.disconnect()
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", image, c.Name, err)
		}
		r := Result{Case: c.Name, Image: shown(image), Cost: w.instructions / int64(c.Count), Bytes: w.bytes / c.Count}
		if c.Worst {
			r.Cost = int64(w.worst)
		}
		results = append(results, r)
	}
	return results, nil
}

// shown returns the image that a figure is shown as.
func shown(image Image) Image {
	if image == Spin {
		return Ours
	}
	return image
}

// count runs f and returns the instructions that the guest has executed meanwhile.
func (s *session) count(f func() error) (int64, error) {
	before, err := s.instructions()
	if err != nil {
		return 0, err
	}
	if err := f(); err != nil {
		return 0, err
	}
	after, err := s.instructions()
	return after - before, err
}

// receive has the guest receive MiBs over TCP.
func receive(s *session, warm, count int) (w work, err error) {
	if err := s.connect(discardPort); err != nil {
		return w, err
	}
	load := func(n int) func() error {
		return func() error {
			s.conn.pending = make([]byte, n*mib)
			return s.until("send to the guest", func() bool { return len(s.conn.pending) == 0 && s.conn.flow() == 0 },
				func() int { return s.conn.acked })
		}
	}
	if err := load(warm)(); err != nil {
		return w, err
	}
	w.instructions, err = s.count(load(count))
	w.bytes = count * mib
	return w, err
}

// transmit has the guest send MiBs over TCP. It is counted between two moments in the stream.
func transmit(s *session, warm, count int) (w work, err error) {
	if err := s.connect(generatePort); err != nil {
		return w, err
	}
	more := func(n int) error {
		end := s.conn.received + n
		return s.until("receive from the guest", func() bool { return s.conn.received >= end }, func() int { return s.conn.received })
	}
	if err := more(warm * mib); err != nil {
		return w, err
	}
	before, err := s.instructions()
	if err != nil {
		return w, err
	}
	first := s.conn.received
	if err := more(count * mib); err != nil {
		return w, err
	}
	after, err := s.instructions()
	w.bytes = s.conn.received - first
	// The moments of counting lie some releases behind: what came until then counts, too.
	w.instructions = int64(float64(after-before) * float64(count*mib) / float64(w.bytes))
	return w, err
}

// get has the guest answer requests for path on one connection.
func get(path string) func(s *session, warm, count int) (work, error) {
	request := "GET " + path + " HTTP/1.1\r\nHost: lan0\r\n\r\n"
	return func(s *session, warm, count int) (w work, err error) {
		if err := s.connect(statusPort); err != nil {
			return w, err
		}
		var r response
		s.conn.deliver = r.add
		ask := func(n int) func() error {
			return func() error {
				for range n {
					r = response{}
					s.conn.pending = []byte(request)
					if err := s.until(path, r.complete, func() int { return s.conn.received }); err != nil {
						return err
					}
					if !bytes.HasPrefix(r.b, []byte("HTTP/1.1 200 ")) {
						return fmt.Errorf("%s: answer %.40q, want status 200", path, r.b)
					}
					w.bytes += len(r.b)
				}
				return nil
			}
		}
		if err := ask(warm)(); err != nil {
			return w, err
		}
		w.bytes = 0
		w.instructions, err = s.count(ask(count))
		return w, err
	}
}

// pages has the guest answer requests for path, each on a connection of its own. From the first segment to the answer's last,
// all instructions count: where no goroutine is ever idle that is time, and needs no question to the emulator, during which time
// would go on.
func pages(path string) func(s *session, warm, count int) (work, error) {
	request := "GET " + path + " HTTP/1.1\r\nHost: lan0\r\n\r\n"
	return func(s *session, warm, count int) (w work, err error) {
		for i := range warm + count {
			first := s.passed
			if err := s.connect(statusPort); err != nil {
				return w, err
			}
			var r response
			s.conn.deliver = r.add
			s.conn.pending = []byte(request)
			if err := s.until(path, r.complete, func() int { return s.conn.received }); err != nil {
				return w, err
			}
			if !bytes.HasPrefix(r.b, []byte("HTTP/1.1 200 ")) {
				return w, fmt.Errorf("%s: answer %.40q, want status 200", path, r.b)
			}
			if i >= warm {
				w.bytes += len(r.b)
				w.instructions += int64(s.passed-first) * int64(release) >> shift
			}
			if err := s.disconnect(); err != nil {
				return w, err
			}
		}
		return w, nil
	}
}

// response is an HTTP response, as far as it has come.
type response struct{ b []byte }

func (r *response) add(b []byte) { r.b = append(r.b, b...) }

// complete tells whether all of it has come: as long as Content-Length says, or to the last chunk.
func (r *response) complete() bool {
	head, body, ok := bytes.Cut(r.b, []byte("\r\n\r\n"))
	if !ok {
		return false
	}
	_, length, ok := bytes.Cut(head, []byte("\r\nContent-Length: "))
	if !ok {
		return bytes.HasSuffix(body, []byte("\r\n0\r\n\r\n"))
	}
	length, _, _ = bytes.Cut(length, []byte("\r\n"))
	n, err := strconv.Atoi(string(length))
	return err == nil && len(body) >= n
}

// echo has the guest send datagrams back, one at a time.
func echo(s *session, warm, count int) (w work, err error) {
	ask := func(n int) func() error {
		return func() error {
			for range n {
				want := s.datagrams + 1
				s.out = append(s.out, cable.UDP(s.guest, sourcePort, echoPort, make([]byte, echoPayload)))
				if err := s.until("UDP echo", func() bool { return s.datagrams >= want }, func() int { return s.datagrams }); err != nil {
					return err
				}
			}
			return nil
		}
	}
	if err := ask(warm)(); err != nil {
		return w, err
	}
	w.bytes = count * echoPayload * 2
	w.instructions, err = s.count(ask(count))
	return w, err
}

// echoUnderHTTP has the guest send datagrams back, one every echoEvery releases at most, while it answers requests for the status page
// one after the other, and finds the longest time that one took.
func echoUnderHTTP(s *session, warm, count int) (w work, err error) {
	if err := s.connect(statusPort); err != nil {
		return w, err
	}
	var r response
	s.conn.deliver = r.add
	ask := func() {
		if len(r.b) == 0 && s.conn.received == 0 || r.complete() {
			r = response{}
			s.conn.pending = []byte("GET / HTTP/1.1\r\nHost: lan0\r\n\r\n")
		}
	}
	for i := range warm + count {
		before, answered := s.datagrams, 0
		s.out = append(s.out, cable.UDP(s.guest, sourcePort, echoPort, make([]byte, echoPayload)))
		for took := 1; answered == 0 || took <= echoEvery; took++ {
			if took > stall {
				return w, fmt.Errorf("no UDP echo for %v", stall*release)
			}
			ask()
			if err := s.round(); err != nil {
				return w, err
			}
			if answered == 0 && s.datagrams > before {
				answered = took
			}
		}
		if i >= warm {
			w.worst = max(w.worst, answered)
		}
	}
	return w, nil
}
