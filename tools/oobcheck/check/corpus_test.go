package check

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	// envGo names the go command that builds firmware; make test sets it.
	envGo = "MORTISE_TAMAGO_GO"
	root  = "../../.."
	// deviceCorpus is the part of the corpus that touches device memory.
	deviceCorpus = "mortise/tools/oobcheck/check/testdata/corpus/device"
)

// comments are those in front of a function, want what they say about it.
var (
	comments = regexp.MustCompile(`(?m)^((?://.*\n)+)func (\w+)\(`)
	want     = regexp.MustCompile(`(?m)^// want (?:(arm64): )?(.+)$`)
)

// Each thing that is forbidden is found, and nothing else; what only looks like it passes, with the bounds it has. For both
// processors.
func TestCorpus(t *testing.T) {
	t.Run("arm", func(t *testing.T) {
		config := Gateway(link(t, "arm"), absolute(t), nil)
		config.Saver = "" // the stage's entries are not linked
		testCorpus(t, "arm", config)
	})
	t.Run("arm64", func(t *testing.T) {
		testCorpus(t, "arm64", Config{
			File: link(t, "arm64"), Root: absolute(t), Tags: []string{"linkramsize"}, Stack: "main.stack", Guard: 928, Saver: "main.saves",
		})
	})
}

// What an entry saves may change: on arm64 the stage may compute with floating point if it saves all that this changes.
func TestSavedVectorsMayChange(t *testing.T) {
	config := Config{
		File: link(t, "arm64"), Stack: "main.stack", Guard: 928, Entries: []string{"main.floats", "main.converts"}, Saver: "main.savesAll",
	}
	r, err := Run(config)
	if err != nil {
		t.Fatal(err)
	}
	if !r.Passed() {
		t.Errorf("found although all is saved: %v %v", r.Entries[0].Findings, r.Entries[1].Findings)
	}
}

func testCorpus(t *testing.T, arch string, config Config) {
	expected := corpus(t, arch)
	config.Device = []string{deviceCorpus}
	config.Entries = nil
	for name := range expected {
		config.Entries = append(config.Entries, name)
	}
	slices.Sort(config.Entries)
	r, err := Run(config)
	if err != nil {
		t.Fatal(err)
	}
	kinds := 0
	for _, e := range r.Entries {
		name := strings.TrimSuffix(e.Name, ".abi0")
		t.Run(name[strings.LastIndex(name, "/")+1:], func(t *testing.T) {
			if diff := cmp.Diff(expected[name], summary(&e)); diff != "" {
				t.Errorf("%s (-want +got):\n%s%v", e.Name, diff, e.Findings)
			}
			if len(e.Findings) == 0 {
				return
			}
			kinds++
			for _, f := range e.Findings {
				if f.At.Line == 0 || len(f.Chain) == 0 || f.Chain[0].Func != e.Name {
					t.Errorf("finding %+v, want its line and the calls from %s on", f, e.Name)
				}
			}
		})
	}
	if kinds < 30 {
		t.Errorf("%d functions of the corpus are negatives: the test sees too little", kinds)
	}
}

// summary says what was found in an entry as a comment of the corpus does.
func summary(e *Entry) string {
	var words []string
	for _, f := range e.Findings {
		words = append(words, strings.ReplaceAll(f.Kind, " ", "-"))
	}
	if len(words) == 0 {
		words = []string{"PASS"}
		for _, l := range e.Loops {
			words = append(words, fmt.Sprint(l.Rounds))
		}
		slices.Sort(words[1:])
		return strings.Join(words, " ")
	}
	slices.Sort(words)
	return strings.Join(slices.Compact(words), " ")
}

// corpus reads what is expected of each function.
func corpus(t *testing.T, arch string) map[string]string {
	t.Helper()
	expected := map[string]string{}
	for name, pkg := range map[string]string{"negative.go": "main.", "positive.go": "main.", "device/device.go": deviceCorpus + "."} {
		b, err := os.ReadFile(filepath.Join("testdata/corpus", name))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range comments.FindAllStringSubmatch(string(b), -1) {
			for _, w := range want.FindAllStringSubmatch(m[1], -1) {
				if w[1] != "" && w[1] != arch {
					continue
				}
				words := strings.Fields(w[2])
				if words[0] == "PASS" {
					slices.Sort(words[1:])
				} else {
					slices.Sort(words)
				}
				expected[pkg+m[2]] = strings.Join(words, " ")
			}
		}
	}
	return expected
}

// link links the corpus for a processor.
func link(t *testing.T, arch string) string {
	t.Helper()
	goCommand := os.Getenv(envGo)
	if goCommand == "" {
		t.Skipf("%s names no go command that knows GOOS=tamago: run make test", envGo)
	}
	elf := filepath.Join(t.TempDir(), "corpus.elf")
	args := []string{"build", "-trimpath", "-ldflags", "-T 0x80010000 -R 0x1000", "-o", elf}
	if arch == "arm64" {
		args = append(args, "-tags", "linkramsize")
	}
	cmd := exec.Command(goCommand, append(args, "./testdata/corpus")...)
	cmd.Env = append(os.Environ(), "GOOS=tamago", "GOARCH="+arch, "GOARM=7", "GOOSPKG=github.com/usbarmory/tamago", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, out)
	}
	return elf
}

func absolute(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	return path
}
