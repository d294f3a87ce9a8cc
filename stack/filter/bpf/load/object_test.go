package load

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/cilium/ebpf"

	"mortise/stack/filter"
)

// corpus returns the objects of testdata: each program as clang builds it by default, and with the 32-bit instructions of
// cpu v3.
func corpus(t testing.TB) map[string][]byte {
	t.Helper()
	names, err := filepath.Glob("testdata/*.o")
	if err != nil || len(names) < 2*20 {
		t.Fatalf("%d objects, %v: want the corpus of at least 20 programs, each built twice", len(names), err)
	}
	objects := map[string][]byte{}
	for _, n := range names {
		b, err := os.ReadFile(n)
		if err != nil {
			t.Fatal(err)
		}
		objects[filepath.Base(n)] = b
	}
	return objects
}

// ifindex is that of the loopback device, which Linux runs tests of programs on.
const ifindex = 1

// verdictOf is the verdict that a returned value stands for.
func verdictOf(v uint32) filter.Verdict {
	if v > 3 {
		return filter.Skip
	}
	return filter.Verdict(v)
}

// refer returns the reference's verdict, and the steps it took.
func refer(t testing.TB, object, frame []byte) (filter.Verdict, int) {
	t.Helper()
	e, err := parseELF(object)
	if err != nil {
		t.Fatal(err)
	}
	fn, err := e.function("")
	if err != nil {
		t.Fatal(err)
	}
	insns, _ := decode(fn.code)
	m := reference{insns: insns, frame: frame, ifindex: ifindex}
	v, err := m.run()
	if err != nil {
		t.Fatalf("the reference: %v", err)
	}
	return verdictOf(v), m.steps + 1
}

// TestCorpus: the verdicts of all programs are those of an interpreter made from RFC 9669, and no path is longer than said.
func TestCorpus(t *testing.T) {
	a := newArena(t)
	for name, object := range corpus(t) {
		t.Run(name, func(t *testing.T) {
			f, err := Object(object, Options{Ifindex: ifindex})
			if err != nil {
				t.Fatal(err)
			}
			r := rand.New(rand.NewPCG(1, 2))
			seen := map[filter.Verdict]int{}
			n := frames(2000)
			for range n {
				frame := randomFrame(r)
				want, _ := refer(t, object, frame)
				if got := a.run(t, &f.Program, frame); got != want {
					t.Fatalf("%s, want %s, for %x\n%s", VerdictName(got), VerdictName(want), frame, f.Explain(frame).Why)
				}
				seen[want]++
				e := f.Explain(frame)
				if e.Verdict != want || len(e.Steps) == 0 || !strings.HasPrefix(e.Why, VerdictName(want)) {
					t.Fatalf("Explain = %s (%s), want %s", VerdictName(e.Verdict), e.Why, VerdictName(want))
				}
			}
			if len(seen) < 2 && n >= 1000 {
				t.Errorf("all frames had the same verdict: %v", seen)
			}
		})
	}
}

// TestKernel: the same against the Linux kernel, where this machine may load filters.
func TestKernel(t *testing.T) {
	a := newArena(t)
	for name, object := range corpus(t) {
		t.Run(name, func(t *testing.T) {
			spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(object))
			if err != nil {
				t.Fatal(err)
			}
			var kernel *ebpf.Program
			for _, p := range spec.Programs {
				p.Type, p.License = ebpf.SocketFilter, "BSD"
				if kernel, err = ebpf.NewProgram(p); err != nil {
					var refused *ebpf.VerifierError
					if errors.As(err, &refused) {
						t.Fatalf("the kernel's verifier: %+v", refused)
					}
					t.Skipf("this machine loads no filters: %v", err)
				}
			}
			defer kernel.Close()
			f, err := Object(object, Options{Ifindex: ifindex})
			if err != nil {
				t.Fatal(err)
			}
			r := rand.New(rand.NewPCG(3, 4))
			judged := 0
			for range frames(2000) {
				frame := randomFrame(r)
				ret, err := kernel.Run(&ebpf.RunOptions{Data: frame, Repeat: 1})
				if errors.Is(err, syscall.EINVAL) {
					continue // it takes no packet without a byte, and no IP packet that is shorter than its header
				}
				if err != nil {
					t.Skipf("this machine runs no filters: %v", err)
				}
				judged++
				if got := a.run(t, &f.Program, frame); got != verdictOf(ret) {
					t.Fatalf("%s, the kernel has %s, for %x", VerdictName(got), VerdictName(verdictOf(ret)), frame)
				}
			}
			if judged < frames(2000)*3/4 {
				t.Errorf("the kernel judged %d of %d frames", judged, frames(2000))
			}
		})
	}
}

// TestBuild: the objects are what clang makes of the sources.
func TestBuild(t *testing.T) {
	if testing.Short() {
		t.Skip("runs clang")
	}
	clang, err := exec.LookPath("clang")
	if err != nil {
		t.Skip("clang is not installed")
	}
	sources, err := filepath.Glob("testdata/*.c")
	if err != nil || len(sources) < 20 {
		t.Fatalf("%d sources, %v: want at least 20", len(sources), err)
	}
	objects, a, dir := corpus(t), newArena(t), t.TempDir()
	for _, source := range sources {
		for suffix, cpu := range map[string]string{".o": "v2", ".v3.o": "v3"} {
			name := strings.TrimSuffix(filepath.Base(source), ".c") + suffix
			out := filepath.Join(dir, name)
			cmd := exec.Command(clang, "-O2", "-g", "-target", "bpf", "-mcpu="+cpu, "-c", source, "-o", out)
			if text, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v: %v\n%s", cmd, err, text)
			}
			built, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			f, err := Object(built, Options{Ifindex: ifindex})
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if objects[name] == nil {
				t.Errorf("%s is not in testdata", name)
				continue
			}
			r := rand.New(rand.NewPCG(5, 6))
			for range 200 {
				frame := randomFrame(r)
				want, _ := refer(t, objects[name], frame)
				if got := a.run(t, &f.Program, frame); got != want {
					t.Fatalf("%s: %s as built now, %s in testdata, for %x", name, VerdictName(got), VerdictName(want), frame)
				}
			}
		}
	}
}

// TestDocumented: the example of docs/filters.md is the program that images and benches have.
func TestDocumented(t *testing.T) {
	source, err := os.ReadFile(strings.TrimSuffix(filepath.Join("testdata", documented), ".o") + ".c")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("../../../../docs/filters.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "```c\n"+string(source)+"```") {
		t.Error("docs/filters.md does not have image/gateway/testdata/filter.c as it is")
	}
}
