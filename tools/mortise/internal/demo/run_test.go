package demo

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"mortise/tools/qemu"
)

// watched is an output that other goroutines look into.
type watched struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (w *watched) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.Write(b)
}

func (w *watched) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.String()
}

// onQEMU returns what runs the image that a run boots, with the rules of forward.toml: make test names it in MORTISE_RULES_ELF.
func onQEMU(t *testing.T, out *watched) Config {
	t.Helper()
	image := ""
	for _, item := range filepath.SplitList(os.Getenv("MORTISE_RULES_ELF")) {
		if path, ok := strings.CutPrefix(item, "run="); ok {
			image = path
		}
	}
	if image == "" {
		t.Skip("MORTISE_RULES_ELF names no firmware of a run: make test sets it")
	}
	e, err := qemu.Find("")
	if err != nil {
		t.Fatal(err)
	}
	c := configuration(t)
	dir := logDir(t)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("output:\n%s\nkept: %s", out, dir)
		}
	})
	return Config{Emulator: e, Kernel: image, Gateway: c, Dir: dir, Out: out}
}

// logDir returns a folder for serial log and capture that stays when the test fails, if make test says where.
func logDir(t *testing.T) string {
	logs := os.Getenv("MORTISE_TEST_LOGS")
	if logs == "" {
		return t.TempDir()
	}
	dir := filepath.Join(logs, "demo-"+t.Name())
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if !t.Failed() {
			os.RemoveAll(dir)
		}
	})
	return dir
}

var (
	statusLine  = regexp.MustCompile(`status page +(http://127\.0\.0\.1:\d+/)`)
	measuredRow = regexp.MustCompile(`(?m)^(oob|forward|in-band) .*│ +\d+ +\d+ +\d+ +\d+ +\d+ │ +\d+ +\d+ +\d+ +\d+ +\d+$`)
)

// Both stages serve in both kinds of phase, frames cross the gateway, nothing is lost, and the run ends by itself.
func TestRunEndsByItself(t *testing.T) {
	var out watched
	c := onQEMU(t, &out)
	c.For = 8 * time.Second
	c.PCAP = filepath.Join(c.Dir, "all.pcap")
	if err := Run(t.Context(), c); err != nil {
		t.Errorf("Run: %v", err)
	}
	_, summary, _ := strings.Cut(out.String(), "summary")
	if rows := measuredRow.FindAllString(summary, -1); len(rows) != 5 {
		t.Errorf("%d rows with figures in the summary, want 5", len(rows))
	}
	if info, err := os.Stat(c.PCAP); err != nil || info.Size() < 1<<10 {
		t.Errorf("capture: %v, %v, want a file with frames", info, err)
	}
}

// A run in which nothing is forwarded fails: here the image has no rules.
func TestRunLosesFrames(t *testing.T) {
	var out watched
	c := onQEMU(t, &out)
	if c.Kernel = os.Getenv("MORTISE_ELF"); c.Kernel == "" {
		t.Skip("MORTISE_ELF names no firmware: make test sets it")
	}
	c.For = 2 * time.Second
	if err := Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), "forward rt0 → lan0: no reply at all") {
		t.Errorf("Run = %v, want an error that says what is not forwarded", err)
	}
}

// An interrupt ends a run without an error, and with a summary. Until then the status page is there.
func TestRunIsInterrupted(t *testing.T) {
	var out watched
	c := onQEMU(t, &out)
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, c) }()
	for !strings.Contains(out.String(), "s idle") {
		select {
		case err := <-ended:
			t.Fatalf("Run ended by itself: %v", err)
		case <-time.After(50 * time.Millisecond):
		}
	}
	if err := getPage(out.String()); err != nil {
		t.Error(err)
	}
	interrupt()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("Run = %v, want nil after an interrupt", err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("Run goes on 30 s after the interrupt")
	}
	if !strings.Contains(out.String(), "summary") {
		t.Error("no summary after an interrupt")
	}
}

// getPage reads the page whose address the run printed.
func getPage(output string) error {
	m := statusLine.FindStringSubmatch(output)
	if m == nil {
		return errors.New("the run has printed no address of a status page")
	}
	response, err := http.Get(m[1])
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return errors.New(m[1] + ": " + response.Status)
	}
	return nil
}
