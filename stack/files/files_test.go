package files_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mortise/stack/console"
	"mortise/stack/files"
)

// tree is a tree with a log that grows each time somebody looks, beside something that is not its own.
func tree(t *testing.T) (*files.Tree, string) {
	t.Helper()
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "dev"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "dev", "zero"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	looked := 0
	f, err := files.New(root, []string{"/captures", "/filters"},
		files.Source{Path: "/log/boot", Text: func() []byte { looked++; return fmt.Appendf(nil, "started\nlook %d\n", looked) }},
		files.Source{Path: "/log/large", Text: func() []byte { return make([]byte, files.MaxFile+1) }},
		files.Source{Path: "/crash", Text: func() []byte { return []byte("no line end") }})
	if err != nil {
		t.Fatal(err)
	}
	return f, root
}

func TestCommands(t *testing.T) {
	f, root := tree(t)
	if err := f.Put("/filters/vlan.o", []byte("\x7fELF\x00")); err != nil {
		t.Fatal(err)
	}
	c := console.New(f.Commands()...)
	for _, step := range []struct{ line, want string }{
		{"ls", "         captures/\n      11 crash\n         filters/\n         log/\n"},
		{"ls log", "      15 boot\n   65536 large\n"},
		{"ls /log/boot /captures", "      15 /log/boot\n/captures:\n"},
		{"cat /log/boot", "started\nlook 4\n"},
		{"cat log/boot", "started\nlook 5\n"},
		{"cat /log/boot /crash", "started\nlook 6\nno line end\n"},
		{"cat", ""},
		{"shasum /crash", "c63eb3f3a70593e98fcfefc0d7bd48e61ef4ae3c ROOT/crash\n"},
		{"shasum -a 256 crash", "8bda05b7f04e027a439d92693932a35fe10a287397f9973a73c03a62200ca7fe ROOT/crash\n"},
		{"shasum -a 3 crash", "shasum: invalid algorithm, only 1, 256 or 512 are valid: invalid argument\n"},
		{"base64 /filters/vlan.o", "f0VMRgA=\n"},
		{"cat /nothing", "cat: open ROOT/nothing: no such file or directory\n"},
		{"cat /log/nothing", "cat: open ROOT/log/nothing: no such file or directory\n"},
		{"cat /dev/zero", "cat: /dev/zero: no file or folder that is kept here\n"},
		{"cat log/../dev/zero", "cat: log/../dev/zero: no file or folder that is kept here\n"},
		{"cat /../dev/zero", "cat: /../dev/zero: no file or folder that is kept here\n"},
		{"ls /dev", "ls: /dev: no file or folder that is kept here\n"},
		{"ls /log/nothing", "ls: /log/nothing: file does not exist\n"},
	} {
		var b strings.Builder
		c.Do(&b, step.line)
		if got := strings.ReplaceAll(b.String(), root, "ROOT"); got != step.want {
			t.Errorf("%s = %q, want %q", step.line, got, step.want)
		}
	}
}

// An option's text is shown, and is no error.
func TestUsage(t *testing.T) {
	f, _ := tree(t)
	c := console.New(f.Commands()...)
	var b strings.Builder
	c.Do(&b, "shasum -h")
	if got := b.String(); !strings.Contains(got, "Usage: shasum") || strings.Contains(got, "help requested") {
		t.Errorf("shasum -h = %q, want its usage", got)
	}
}

// What a command prints is bounded, as often as a file is named.
func TestOutputIsBounded(t *testing.T) {
	f, _ := tree(t)
	c := console.New(f.Commands()...)
	var b strings.Builder
	c.Do(&b, "cat"+strings.Repeat(" /log/large", files.MaxOutput/files.MaxFile+1))
	if got := b.String(); len(got) > files.MaxOutput+200 || !strings.Contains(got, "the rest is left out") {
		t.Errorf("%d bytes, want at most %d and a word about the rest", len(got), files.MaxOutput)
	}
}

func TestPut(t *testing.T) {
	f, root := tree(t)
	read := func() string {
		b, err := os.ReadFile(filepath.Join(root, "filters", "a"))
		if err != nil {
			return err.Error()
		}
		return string(b)
	}
	for _, text := range []string{"one", "another"} {
		if err := f.Put("/filters/a", []byte(text)); err != nil {
			t.Fatal(err)
		}
		if got := read(); got != text {
			t.Errorf("it holds %q, want %q", got, text)
		}
	}
	for path, size := range map[string]int{"/filters/a": files.MaxStored + 1, "/filters/b": files.MaxStored, "/dev/x": 1, "/filters/../dev/x": 1} {
		if err := f.Put(path, make([]byte, size)); err == nil {
			t.Errorf("%d bytes at %s were stored", size, path)
		}
	}
	if got := read(); got != "another" {
		t.Errorf("after what was refused it holds %q, want %q", got, "another")
	}
	if err := f.Put("/filters/a", make([]byte, files.MaxStored)); err != nil {
		t.Errorf("in place of what there was: %v", err)
	}
	if err := f.Remove("/filters/a"); err != nil {
		t.Error(err)
	}
	if err := f.Remove("/filters/a"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("taken away twice: %v", err)
	}
	if err := f.Put("/filters/of/b", make([]byte, files.MaxStored)); err != nil {
		t.Errorf("after it was taken away, in a folder of its own: %v", err)
	}
}

func TestHandler(t *testing.T) {
	f, _ := tree(t)
	if err := f.Put("/filters/<a>", []byte{0, 1}); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(f.Handler())
	defer server.Close()
	for _, c := range []struct {
		path string
		code int
		kind string
		body string
	}{
		{"/files/log/boot", 200, "text/plain; charset=utf-8", "started\nlook 1\n"},
		{"/files/filters/%3Ca%3E", 200, "application/octet-stream", "\x00\x01"},
		{"/files/filters/", 200, "text/html; charset=utf-8",
			"<!doctype html><title>/filters</title><h1>/filters</h1><ul>\n<li><a href=\"/files/filters/&lt;a&gt;\">&lt;a&gt;</a>\n</ul>\n"},
		{"/files/dev/zero", 404, "text/plain; charset=utf-8", "/dev/zero: no such file\n"},
		{"/files/log/../dev/zero", 404, "text/plain; charset=utf-8", "/dev/zero: no such file\n"},
		{"/files/nothing", 404, "text/plain; charset=utf-8", "/nothing: no such file\n"},
		{"/files/log/nothing", 404, "text/plain; charset=utf-8", "/log/nothing: no such file\n"},
	} {
		resp, err := http.Get(server.URL + c.path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if got := resp.Header.Get("Content-Type"); resp.StatusCode != c.code || got != c.kind || string(body) != c.body {
			t.Errorf("%s = %d, %s, %q, want %d, %s, %q", c.path, resp.StatusCode, got, body, c.code, c.kind, c.body)
		}
	}
	resp, err := http.Get(server.URL + "/files/")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil || strings.Contains(string(body), "dev") || !strings.Contains(string(body), `"/files/crash"`) {
		t.Errorf("/files/ = %q, %v, want crash and no dev", body, err)
	}
	resp, err = http.Post(server.URL+"/files/crash", "text/plain", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: %s, want 405", resp.Status)
	}
}
