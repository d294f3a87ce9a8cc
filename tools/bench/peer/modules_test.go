package peer

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// testModule returns an ELF file with nothing in it but .modinfo.
func testModule(t *testing.T, depends string) []byte {
	info := []byte("license=GPL\x00depends=" + depends + "\x00name=x\x00")
	names := []byte("\x00.modinfo\x00.shstrtab\x00")
	const headerSize, sectionSize = 52, 40
	h := elf.Header32{
		Ident: [16]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS32), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:  uint16(elf.ET_REL), Machine: uint16(elf.EM_ARM), Version: uint32(elf.EV_CURRENT),
		Shoff: headerSize, Ehsize: headerSize, Shentsize: sectionSize, Shnum: 3, Shstrndx: 2,
	}
	const contents = headerSize + 3*sectionSize
	sections := []elf.Section32{
		{},
		{Name: 1, Type: uint32(elf.SHT_PROGBITS), Off: contents, Size: uint32(len(info))},
		{Name: 10, Type: uint32(elf.SHT_STRTAB), Off: contents + uint32(len(info)), Size: uint32(len(names))},
	}
	var b bytes.Buffer
	for _, part := range []any{h, sections, info, names} {
		if err := binary.Write(&b, binary.LittleEndian, part); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

func TestReadDepends(t *testing.T) {
	const path = "lib/modules/1/kernel/drivers/net/phy/x.ko"
	got, err := readDepends(path, bytes.NewReader(testModule(t, "libphy,of-mdio")))
	if diff := cmp.Diff([]string{"libphy", "of_mdio"}, got); err != nil || diff != "" {
		t.Errorf("depends: %v (-want +got):\n%s", err, diff)
	}
	if got, err := readDepends(path, bytes.NewReader(testModule(t, ""))); err != nil || got != nil {
		t.Errorf("depends of one that needs none: %v, %v", got, err)
	}
	if _, err := readDepends(path, strings.NewReader("no module")); err == nil {
		t.Error("what is no ELF file was read")
	}
}

// TestCompressed reads a module as Debian 13 has them.
func TestCompressed(t *testing.T) {
	cmd := exec.Command("xz", "-c")
	cmd.Stdin = bytes.NewReader(testModule(t, "libphy"))
	b, err := cmd.Output()
	if err != nil {
		t.Skip(err)
	}
	const path = "usr/lib/modules/1/kernel/drivers/net/phy/x.ko.xz"
	got, err := readDepends(path, bytes.NewReader(b))
	if diff := cmp.Diff([]string{"libphy"}, got); err != nil || diff != "" {
		t.Errorf("depends: %v (-want +got):\n%s", err, diff)
	}
	if got, want := moduleName(path), "x"; got != want || !isModule(path) {
		t.Errorf("name %q, want %q, module %v", got, want, isModule(path))
	}
}

func TestLoadOrder(t *testing.T) {
	found := map[string]module{
		"fec":    {depends: []string{"libphy", "mdio"}},
		"mdio":   {depends: []string{"libphy", "fixed"}},
		"libphy": {},
		"loop":   {depends: []string{"pool"}},
		"pool":   {depends: []string{"loop"}},
		"orphan": {depends: []string{"nowhere"}},
	}
	builtin := map[string]bool{"fixed": true, "gpio": true}
	tests := []struct {
		wanted string
		want   string
		err    string
	}{
		{"gpio fec", "libphy mdio fec", ""},
		{"libphy fec libphy", "libphy mdio fec", ""},
		{"loop", "", "needs itself"},
		{"orphan", "", "orphan: there is no module nowhere"},
		{"usb", "", "there is no module usb"},
	}
	for _, test := range tests {
		got, err := loadOrder(found, builtin, strings.Fields(test.wanted))
		if strings.Join(got, " ") != test.want || (err == nil) != (test.err == "") ||
			err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("loadOrder(%s) = %v, %v, want %s, %q", test.wanted, got, err, test.want, test.err)
		}
	}
}
