package gateway_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mortise/stack/filter"
	"mortise/stack/filter/bpf/load"
	"mortise/stack/gateway"
)

// programs is where the corpus of programs is.
const programs = "../filter/bpf/load/testdata"

// configured writes a configuration with the device's filter beside programs, and loads it.
func configured(t *testing.T, value string) (*gateway.Config, error) {
	t.Helper()
	dir := t.TempDir()
	for _, file := range []string{"gateway.o", "codes.o", "refused/beyond.o", "refused/two.o", "refused/map.o"} {
		b, err := os.ReadFile(filepath.Join(programs, file))
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, "filters", filepath.Base(file)), b)
	}
	write(t, filepath.Join(dir, "udp.ddd"), []byte("4\n40 0 0 12\n21 0 1 2048\n6 0 0 262144\n6 0 0 0\n"))
	name := filepath.Join(dir, "gateway.toml")
	write(t, name, []byte("[device.lan0]\ncontroller = \"ENET2\"\naddress = \"10.0.2.1/24\"\n[device.rt0]\ncontroller = \"ENET1\"\naddress = \"10.0.0.1/24\"\n"+
		"filter = "+value+"\n"))
	return gateway.Load(name, board)
}

func write(t *testing.T, name string, b []byte) {
	t.Helper()
	err := os.MkdirAll(filepath.Dir(name), 0o700)
	if err == nil {
		err = os.WriteFile(name, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A device's program is read beside the configuration, verified, and has the device diverted.
func TestFilter(t *testing.T) {
	frame := append(make([]byte, 12), 8, 0)
	frame = append(frame, make([]byte, 50)...)
	for value, want := range map[string]filter.Verdict{
		`"udp.ddd"`: filter.Accept,
		`{ file = "udp.ddd", match = "drop", else = "vlan" }`: filter.Drop,
		`{ file = "udp.ddd", codes = true }`:                  filter.Skip, // 262144 is no code
		`"filters/gateway.o"`:                                 filter.VLAN,
		`{ file = "filters/two.o", function = "second" }`:     filter.Accept,
	} {
		c, err := configured(t, value)
		if err != nil {
			t.Errorf("filter = %s: %v", value, err)
			continue
		}
		d := &c.Devices[1]
		if d.Filter == nil || !d.Divert || d.Held || c.Devices[0].Filter != nil {
			t.Errorf("filter = %s: %+v", value, d)
			continue
		}
		if got := d.Filter.Program.Explain(frame); got.Verdict != want {
			t.Errorf("filter = %s: %s, want %s", value, got.Why, load.VerdictName(want))
		}
		if files := c.Files(); len(files) != 1 || len(files[d.Filter.File]) == 0 {
			t.Errorf("filter = %s: files %v", value, len(files))
		}
	}
}

// What is wrong with a filter is told with the line and field of the configuration, and of the program where it is the reason.
func TestFilterErrors(t *testing.T) {
	for value, want := range map[string]string{
		`7`:                                    `gateway.toml:7: device.rt0.filter: found 7, expected the path of a filter program`,
		`""`:                                   `gateway.toml:7: device.rt0.filter: found "", expected the path`,
		`"filters/../x"`:                       `expected the path`,
		`"none.o"`:                             `device.rt0.filter: found "none.o", expected a file that can be read: open`,
		`{}`:                                   `device.rt0.filter.file: found nothing, expected the path of a filter program`,
		`{ file = "udp.ddd", function = "f" }`: `device.rt0.filter.file: the program udp.ddd is refused: no object`,
		`{ file = "udp.ddd", match = "no" }`:   `device.rt0.filter.match: found "no", expected "accept", "skip", "drop" or "vlan"`,
		`{ file = "udp.ddd", codes = true, else = "skip" }`: `device.rt0.filter.codes: expected neither match nor else beside it`,
		`{ file = "udp.ddd", section = "f" }`:               `device.rt0.filter.section: unknown field`,
		`"gateway.toml"`:                                    `the program gateway.toml is refused: line 1: "[device.lan0]" is not the number of instructions`,
		`"filters/two.o"`:                                   `the program filters/two.o is refused: the object has more than one program, name one: `,
		`{ file = "filters/two.o", function = "third" }`:    `the object has no program "third"`,
		`"filters/beyond.o"`:                                `gateway.toml:7: device.rt0.filter: the program filters/beyond.o is refused: beyond.c:6: instruction 8 (r1 += r0): the address may lie outside of the stack: 0 to 31 added to it return x[load_byte(skb, 0) & 31] & 3;`,
		`"filters/map.o"`:                                   `maps and global data are not supported`,
	} {
		c, err := configured(t, value)
		if err == nil {
			t.Errorf("filter = %s: taken, %+v", value, c.Devices[1].Filter)
			continue
		}
		if !strings.Contains(err.Error(), want) {
			t.Errorf("filter = %s: %v\nwant %s", value, err, want)
		}
	}
	text := "[device.rt0]\ncontroller = \"ENET1\"\naddress = \"10.0.0.1/24\"\nfilter = \"x.o\"\noob.filter = \"x.o\"\n"
	_, err := gateway.Parse("gateway.toml", []byte(text), board)
	for _, want := range []string{
		"gateway.toml:4: device.rt0.filter: no file can be read here",
		"gateway.toml:5: device.rt0.oob.filter: expected in the table of the device",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse: %v, want %s", err, want)
		}
	}
	b := *board
	b.Files = func(name string) ([]byte, error) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	if _, err := gateway.Parse("gateway.toml", []byte(text), &b); err == nil || !strings.Contains(err.Error(), "open x.o: file does not exist") {
		t.Errorf("Parse: %v", err)
	}
	if errors.Is(err, fs.ErrNotExist) {
		t.Error("without files nothing is looked for")
	}
}
