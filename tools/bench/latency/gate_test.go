package latency

import (
	"os"
	"path/filepath"
	"testing"

	"mortise/tools/qemu"
)

// Environment of the latency gates, as make test sets it: what to build firmware with, or firmware; and where the serial
// log and the capture of a case that failed are kept.
const (
	envGo      = "MORTISE_TAMAGO_GO"
	envImage   = "MORTISE_ELF"
	envLoad    = "MORTISE_LOAD_ELF" // [LOAD=]PATH, several separated by colons
	envLogs    = "MORTISE_TEST_LOGS"
	gateRepeat = 2
)

// TestGates measures every figure to reach, twice, and fails if one is missed or the runs differ.
func TestGates(t *testing.T) {
	emulator, err := qemu.Find("")
	if err != nil {
		t.Skipf("no emulator: %v", err)
	}
	config := Config{Emulator: emulator, Images: gateImages(t), Dir: t.TempDir()}
	for _, c := range Cases() {
		t.Run(c.Name, func(t *testing.T) {
			defer keep(t, config.Dir, c.Name)
			if _, ok := config.Images.For(c.Load); !ok {
				t.Skipf("%s names no firmware with load %s", envLoad, c.Load)
			}
			r, err := Repeat(t.Context(), config, c, gateRepeat)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("median %d, 99 %% %d, maximum %d instructions, %d of %d lost, hash %s", r.Median, r.P99, r.Max, r.Lost,
				r.Requests, r.Hash)
			if r.Unsteady != "" {
				t.Logf("repetition not compared: %s", r.Unsteady)
			}
			for _, missed := range r.Missed {
				t.Error(missed)
			}
		})
	}
}

// gateImages returns the firmware that the environment names, or builds it with the Go that it names.
func gateImages(t *testing.T) Images {
	t.Helper()
	images := Images{}
	if path := os.Getenv(envImage); path != "" {
		images[""] = path
		for _, value := range filepath.SplitList(os.Getenv(envLoad)) {
			if err := images.Set(value); err != nil {
				t.Fatalf("%s: %v", envLoad, err)
			}
		}
		return images
	}
	toolchain := os.Getenv(envGo)
	if toolchain == "" {
		t.Skipf("neither %s nor %s is set: run make test", envImage, envGo)
	}
	root, err := Root()
	if err != nil {
		t.Fatal(err)
	}
	images, err = Build(t.Context(), root, toolchain, t.TempDir(), Loads(Cases()), t.Output())
	if err != nil {
		t.Fatal(err)
	}
	return images
}

// keep saves what a failed case leaves to look at.
func keep(t *testing.T, dir, name string) {
	logs := os.Getenv(envLogs)
	if !t.Failed() || logs == "" {
		return
	}
	for _, suffix := range []string{".log", ".pcap"} {
		to := filepath.Join(logs, "bench-"+name+suffix)
		if err := copyFile(to, filepath.Join(dir, name+suffix)); err != nil {
			t.Log(err)
			continue
		}
		t.Logf("kept %s", to)
	}
}
