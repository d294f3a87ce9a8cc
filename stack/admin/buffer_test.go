package admin_test

import (
	"errors"
	"strings"
	"testing"

	"mortise/stack/admin"
	"mortise/stack/console"
)

// A port's pool has room for datagrams of the size that is asked for; what is out of range is refused with the numbers.
func TestBufferSize(t *testing.T) {
	b := newBench(t)
	c := console.New(b.Commands()...)
	for _, tc := range []struct{ line, want string }{
		{"net enable -i rt0.43 -p 10 -b 2047", "a buffer of 2047 bytes: invalid, want 2048 to 32768"},
		{"net enable -i rt0.43 -p 10 -b 32769", "a buffer of 32769 bytes: invalid, want 2048 to 32768"},
		{"net enable -i rt0.43 -p 10 -b 0", "buffers of 0 bytes: invalid"},
		{"net enable -i rt0.43 -p 1 -b 8192", "a pool of 1 buffer of 8192 bytes, want at least 2"},
		{"net enable -i lo -p 10 -b 4096", "nothing is in fragments there"},
		{"net enable -i rt0.43 -p 100 -b 8192", "a pool of 100 buffers, want at most 80: the memory has no more slots"},
		{"net enable -i rt0.43 -p 10 -b 8192", "rt0.43: oob port, 60 buffers of 2048 bytes, for datagrams of up to 8192 bytes"},
		{"net enable -i rt0.43 -p 10 -b 8192", "rt0.43: oob port, 60 buffers of 2048 bytes, for datagrams of up to 8192 bytes"},
		{"net enable -i rt0.43 -p 60", "rt0.43: refused: it is on, with 10 buffers for datagrams of up to 8192 bytes; disable it first"},
		{"net enable -i rt0.43 -b 4096", "rt0.43: refused: it is on, with 10 buffers for datagrams of up to 8192 bytes; disable it first"},
		{"net query -i rt0.43", "pool: 60 buffers of 2048 bytes, for datagrams of up to 8192 bytes, 60 free, 60 at the lowest, 0 times empty"},
	} {
		var out strings.Builder
		c.Do(&out, tc.line)
		if !strings.Contains(out.String(), tc.want) {
			t.Errorf("%s: %q, want %q", tc.line, out.String(), tc.want)
		}
	}
	// A step of Disable that fails leaves it as it was.
	for _, name := range []string{"rt0", "rt0.42"} {
		_, err := b.Disable(name)
		b.ok(err)
	}
	b.refuse = errors.New("not now")
	if _, err := b.Disable("rt0.43"); err == nil {
		t.Error("Disable: no error")
	}
	b.refuse = nil
	if p, _ := b.Port("rt0.43"); !p.Oob || p.Pool == nil || *p.Pool != (admin.Pool{Size: 60, Free: 60, Lowest: 60, BufferBytes: 2048, MostBytes: 8192}) {
		t.Errorf("rt0.43: %+v", p.Pool)
	}
	_, err := b.Disable("rt0.43")
	b.ok(err)
	b.ok(b.Enable("rt0.43", 10))
	if p, _ := b.Port("rt0.43"); p.Pool.Size != 10 || p.Pool.MostBytes != 0 {
		t.Errorf("rt0.43 without a limit: %+v", p.Pool)
	}
}
