package gateway

import (
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"mortise/stack/filter"
	"mortise/stack/filter/bpf/load"
)

// Filter is a filter program: eBPF as clang builds it, or classic BPF as tcpdump prints it.
type Filter struct {
	File     string       // as the configuration names it
	Function string       // of an object with several, or its section
	Returns  load.Returns // what the value of a classic program means
	Content  []byte       // of the file
	Program  *load.Filter // verified
}

// Verdicts are those of filters, as configurations and commands name them.
var Verdicts = map[string]filter.Verdict{"accept": filter.Accept, "skip": filter.Skip, "drop": filter.Drop, "vlan": filter.VLAN}

const (
	wantFilter  = `the path of a filter program, "filter.o" or "filter.ddd", or a table with its file`
	wantVerdict = `"accept", "skip", "drop" or "vlan"`
)

// maxFilter is the size of a program's file in bytes at most.
const maxFilter = load.MaxObject

// readFile is os.ReadFile of what may be a program.
func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxFilter+1)) // one more is refused
}

// filter reads the program of a device, which is verified here: a refusal says what and why, with line and field of both files.
// number is the device's, from 1 on: what the program reads as ifindex.
func (r *reader) filter(n *node, d *Device, number int) {
	if n == nil {
		return
	}
	f := &Filter{Returns: load.Matching}
	at := n
	if n.isTable() {
		t := r.table(n, nil)
		if at = t.need("file", "the path of a filter program"); at == nil {
			return
		}
		if k := t.get("function"); k != nil {
			f.Function, _ = r.text(k, "the name of a function, or of a section")
		}
		match, other, codes := t.get("match"), t.get("else"), t.get("codes")
		f.Returns.Match, f.Returns.Else = r.verdict(match, load.Matching.Match), r.verdict(other, load.Matching.Else)
		if f.Returns.Codes = r.flag(codes, false); f.Returns.Codes && (match != nil || other != nil) {
			r.refuse(codes, "expected neither match nor else beside it: the value that the program returns is the verdict")
		}
		t.done()
	}
	name, ok := r.text(at, wantFilter)
	if !ok {
		return
	}
	if name == "" || path.Clean(name) != name {
		r.fail(at, wantFilter)
		return
	}
	f.File = name
	if r.files == nil {
		r.refuse(at, "no file can be read here")
		return
	}
	var err error
	if f.Content, err = r.files(name); err != nil {
		r.fail(at, "a file that can be read: %v", err)
		return
	}
	if f.Program, err = load.File(f.Content, load.Options{Name: f.Function, Ifindex: uint32(number)}, f.Returns); err != nil {
		r.refuse(at, "the program %s is refused: %s", name, strings.Join(strings.Fields(err.Error()), " "))
		return
	}
	d.Filter = f
}

// verdict reads a verdict by name; def: there is none.
func (r *reader) verdict(n *node, def filter.Verdict) filter.Verdict {
	if n == nil {
		return def
	}
	s, ok := r.text(n, wantVerdict)
	if !ok {
		return def
	}
	v, ok := Verdicts[s]
	if !ok {
		r.fail(n, wantVerdict)
	}
	return v
}

// String says in words what the program is.
func (f *Filter) String() string {
	s := f.File
	if f.Function != "" {
		s += " " + f.Function
	}
	return fmt.Sprintf("%s, at most %d steps", s, f.Program.Steps)
}

// Files returns the content of each file that the configuration names.
func (c *Config) Files() map[string][]byte {
	files := map[string][]byte{}
	for i := range c.Devices {
		if f := c.Devices[i].Filter; f != nil {
			files[f.File] = f.Content
		}
	}
	return files
}
