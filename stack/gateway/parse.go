package gateway

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Load is Parse of the named file.
func Load(name string, board *Board) (*Config, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return parse(name, data, board, func(file string) ([]byte, error) {
		if !filepath.IsAbs(file) {
			file = filepath.Join(filepath.Dir(name), filepath.FromSlash(file))
		}
		return readFile(file)
	})
}

// maxSize is the size of a configuration file in bytes at most: a choice, thousands of times what the limits below fill.
const maxSize = 1 << 20

// Parse reads a configuration and checks it against board. file is the name that errors begin with. An error is of type
// Errors: all that is wrong with the file, by line; a file that is no TOML at all has one.
func Parse(file string, data []byte, board *Board) (*Config, error) {
	var files func(string) ([]byte, error)
	if board != nil {
		files = board.Files
	}
	return parse(file, data, board, files)
}

// parse is Parse where files reads what the configuration names.
func parse(file string, data []byte, board *Board, files func(name string) ([]byte, error)) (*Config, error) {
	if len(data) > maxSize {
		return nil, Errors{{File: file, Line: 1, Want: fmt.Sprintf("%d bytes: expected at most %d", len(data), maxSize)}}
	}
	root, syntax := parseTree(file, data)
	if syntax != nil {
		return nil, Errors{syntax}
	}
	r := &reader{file: file, board: board, files: files}
	c := r.config(root)
	if len(r.errs) > 0 {
		r.errs.sort()
		return nil, r.errs
	}
	return c, nil
}

const wantName = "a name of 1 to 15 characters: a lower-case letter, then letters, digits and hyphens"

func isName(s string) bool {
	if len(s) == 0 || len(s) > 15 || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == "" && s[len(s)-1] != '-'
}

func (r *reader) config(root *node) *Config {
	c := &Config{Name: "mortise", RestartsPerMinute: DefaultRestartsPerMinute}
	t := r.table(root, plannedTop)
	if n := t.get("name"); n != nil {
		name, ok := r.text(n, wantName)
		if ok && !isName(name) {
			r.fail(n, wantName)
		}
		c.Name = name
	}
	if s := r.table(t.get("status"), plannedStatus); s != nil {
		c.Status.Port = r.port(s.need("port", wantPort))
		c.Status.Control = r.flag(s.get("control"), false)
		s.done()
	}
	var echoPort *node
	if e := r.table(t.get("echo"), nil); e != nil {
		echoPort = e.need("port", wantPort)
		c.Echo.Port = r.port(echoPort)
		e.done()
	}
	if o := r.table(t.get("oob"), nil); o != nil {
		c.RestartsPerMinute = r.number(o.get("restarts_per_minute"), "a number of restarts", 0, MaxRestartsPerMinute, c.RestartsPerMinute)
		o.done()
	}
	if w := r.table(t.get("watchdog"), nil); w != nil {
		s := r.number(w.need("timeout_s", wantTimeout), "a number of seconds", minTimeoutS, maxTimeoutS, 0)
		c.Watchdog.Timeout = time.Duration(s) * time.Second
		c.Watchdog.Inband = r.flag(w.get("reset_without_inband"), false)
		w.done()
	}
	if l := r.table(t.get("loopback"), nil); l != nil {
		c.Loopback.On = true
		most := MaxPool
		if r.board != nil && r.board.Buffers != 0 {
			most = min(most, r.board.Buffers)
		}
		c.Loopback.Pool = r.number(l.get("pool"), "a number of buffers", 1, most, DefaultPool)
		l.done()
	}
	forward := t.get("forward")
	if devices := r.table(t.need("device", "a table [device.NAME] for each device"), nil); devices != nil {
		r.devices(devices, c)
		r.forward(forward, devices.n, c)
	}
	t.done()
	if c.Echo.Port == EchoPort && c.hasOobEcho() {
		r.fail(echoPort, "another port than the oob echo service's, %d", EchoPort)
	}
	return c
}

// The watchdog's timeout in seconds: the least is a choice (in-band reports four times in it, and must find the time),
// the most is the hardware's (drivers/wdog).
const (
	minTimeoutS = 2
	maxTimeoutS = 128
	wantTimeout = "a number of seconds, 2 to 128"
)

func (c *Config) hasOobEcho() bool {
	return slices.ContainsFunc(c.Devices, func(d Device) bool {
		return slices.ContainsFunc(d.Ports, func(p Port) bool { return p.Oob != nil && p.Oob.Accepts(EchoPort) })
	})
}

// used remembers which field had a value that must be the only one of its kind.
type used[K comparable] map[K]string

// claim records that n has value v, or the error that another field had it before.
func claim[K comparable](r *reader, u used[K], v K, n *node, what string) {
	if other, taken := u[v]; taken {
		r.fail(n, "%s of its own, %s has this one", what, other)
		return
	}
	u[v] = n.field
}
