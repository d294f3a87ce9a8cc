package rules

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// root is the module's root, seen from this package.
const root = "../../../.."

func TestTheModuleKeepsItsRules(t *testing.T) {
	files, err := Load(root, append(Contexts(), Contexts(Tags...)...))
	if err != nil {
		t.Fatal(err)
	}
	oob := 0
	for _, f := range files {
		if f.Oob {
			oob++
		}
	}
	if oob == 0 {
		t.Errorf("none of %d files is marked as oob code: the test sees nothing", len(files))
	}
	for _, v := range Violations(files) {
		t.Error(v)
	}
}

func TestViolations(t *testing.T) {
	tests := []struct {
		name string
		file File
		want string // "" if the file is right
	}{
		{"oob file, in-band import", File{Package: "stack/divert", Name: "oob.go", Oob: true, Imports: []string{"fmt"}}, "no runtime services"},
		{"oob file, TamaGo", File{Package: "stack/stage", Oob: true, Imports: []string{"github.com/usbarmory/tamago/arm"}}, "no runtime services"},
		{"oob file, gVisor's side", File{Package: "stack/divert", Oob: true, Imports: []string{"./stack/inband"}}, "no runtime services"},
		{"oob file, its leaves", File{Package: "stack/divert", Oob: true, Imports: []string{"unsafe", "./drivers/enet", "./stack/oob"}}, ""},
		{"in-band half", File{Package: "stack/divert", Imports: []string{"fmt", "time"}}, ""},
		{"oob package, unmarked file", File{Package: "stack/wire", Imports: []string{"sync"}}, "through and through"},
		{"oob package, another one", File{Package: "stack/forward", Imports: []string{"./stack/wire"}}, ""},
		{"stack, board", File{Package: "stack/stage", Imports: []string{"./board/mx6ullevk"}}, "knows no board"},
		{"driver, stack", File{Package: "drivers/enet", Imports: []string{"./stack/oob"}}, "no board and no stack"},
		{"driver, frames", File{Package: "drivers/enet", Imports: []string{"./stack/frame"}}, ""},
		{"image, SoC", File{Package: "image/gateway", Imports: []string{"github.com/usbarmory/tamago/soc/nxp/imx6ul"}}, "only board/"},
		{"board, SoC", File{Package: "board/mx6ullevk", Imports: []string{"github.com/usbarmory/tamago/soc/nxp/imx6ul"}}, ""},
		{"image, host tool", File{Package: "image/gateway", Imports: []string{"./tools/qemu"}}, "no host tool"},
		{"suffix alone", File{Package: "board/x", Name: "uart_tamago.go"}, "constrains nothing"},
		{"suffix and build line", File{Package: "board/x", Name: "uart_tamago.go", Tamago: true}, ""},
	}
	for _, tt := range tests {
		got := strings.Join(Violations([]File{tt.file}), "\n")
		if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s: Violations = %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	sources := map[string]string{
		"stack/x/oob.go":        "package x\n\nimport \"mortise/stack/frame\"\n\nvar _ frame.Ref\n\n// F.\n//\n//oob:stage any\nfunc F() {}\n",
		"stack/x/inband.go":     "package x\n\nimport \"fmt\"\n\n// G runs in-band.\n//\n//oob:stage inband\nfunc G() { fmt.Println() }\n",
		"stack/x/fake.go":       "//go:build !tamago\n\npackage x\n\nimport \"sync\"\n\nvar _ sync.Mutex\n",
		"stack/x/a_tamago.go":   "//go:build tamago && arm\n\npackage x\n",
		"stack/x/load.go":       "//go:build load_gc\n\npackage x\n",
		"stack/x/x_test.go":     "package x\n",
		"tools/t/t.go":          "package t\n",
		"stack/x/testdata/t.go": "package t\n",
	}
	for name, source := range sources {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(source), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Load(dir, Contexts())
	if err != nil {
		t.Fatal(err)
	}
	want := []File{
		{Package: "stack/x", Name: "a_tamago.go", Tamago: true},
		{Package: "stack/x", Name: "inband.go", Imports: []string{"fmt"}},
		{Package: "stack/x", Name: "oob.go", Imports: []string{"./stack/frame"}, Oob: true},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Load (-want +got):\n%s", diff)
	}
	tagged, err := Load(dir, Contexts(Tags...))
	if err != nil || len(tagged) != len(want)+1 {
		t.Errorf("Load with all tags = %d files, %v, want one more: load.go", len(tagged), err)
	}
}
