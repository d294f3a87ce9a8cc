package main

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// The tests of this file need a distribution: MORTISE_TAMAGO_GO is the go
// command that this tool, or TAMAGO, gives.
//
//	MORTISE_TAMAGO_GO=$(go run ./tools/toolchain) go test -v ./tools/toolchain
//
// MORTISE_TOOLCHAIN_STD=1 adds those that take minutes.

func tamagoGo(t *testing.T) string {
	t.Helper()
	path := os.Getenv("MORTISE_TAMAGO_GO")
	if path == "" {
		t.Skip("MORTISE_TAMAGO_GO is not set")
	}
	return path
}

// qemu returns an emulator that has the machine.
func qemu(t *testing.T, variable, name, machine string) string {
	t.Helper()

	path := os.Getenv(variable)
	if path == "" {
		var err error
		if path, err = exec.LookPath(name); err != nil {
			t.Skipf("%s is not set and %s not in PATH", variable, name)
		}
	}

	out, err := exec.Command(path, "-machine", "help").Output()
	if err != nil || !strings.Contains(string(out), "\n"+machine+" ") {
		t.Skipf("%s has no machine %s", path, machine)
	}
	version, _ := exec.Command(path, "-version").Output()
	first, _, _ := strings.Cut(string(version), "\n")
	t.Logf("%s: %s", path, first)

	return path
}

// buildFirmware builds the smoke firmware.
func buildFirmware(t *testing.T, arch string, args ...string) string {
	t.Helper()

	elf := filepath.Join(t.TempDir(), "smoke.elf")
	cmd := exec.Command(tamagoGo(t), append(append([]string{"build", "-o", elf}, args...), "./smoke")...)
	cmd.Env = cleanEnv("GOOS=tamago", "GOARCH="+arch, "GOARM=7", "GOOSPKG=github.com/usbarmory/tamago", "GOTOOLCHAIN=local", "GOROOT=")
	if cache := os.Getenv("GOCACHE"); cache != "" {
		cmd.Env = append(cmd.Env, "GOCACHE="+cache)
	}

	start := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building the firmware: %v\n%s", err, out)
	}
	t.Logf("built for %s in %.1f s", arch, time.Since(start).Seconds())

	return elf
}

// boot runs a firmware until it prints a line with the text, and returns what
// it has printed by then.
func boot(t *testing.T, until string, limit time.Duration, command ...string) string {
	t.Helper()

	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()

	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}

	var log strings.Builder
	found := false
	for s := bufio.NewScanner(stdout); s.Scan(); {
		log.WriteString(s.Text() + "\n")
		if found = strings.Contains(s.Text(), until); found {
			break
		}
	}
	cancel()
	cmd.Wait()

	t.Logf("ran for %.1f s:\n%s", time.Since(start).Seconds(), &log)
	if !found {
		t.Fatalf("no %q within %v", until, limit)
	}

	return log.String()
}

func wantLines(t *testing.T, log string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(log, line) {
			t.Errorf("the log has no %q", line)
		}
	}
}

const ldflagsARM, ldflagsARM64 = "-T 0x80010000 -R 0x1000", "-T 0x40010000 -R 0x1000"

func machineARM(path, elf string) []string {
	return []string{path, "-M", "mcimx6ul-evk", "-m", "512M", "-nographic", "-monitor", "none", "-serial", "stdio", "-net", "none", "-kernel", elf}
}

func TestSmokeARM(t *testing.T) {
	tamagoGo(t)
	path := qemu(t, "MORTISE_QEMU", "qemu-system-arm", "mcimx6ul-evk")
	elf := buildFirmware(t, "arm", "-ldflags", ldflagsARM)

	log := boot(t, "smoke: exit", time.Minute, machineARM(path, elf)...)
	wantLines(t, log, "checks passed", "panic: the last check", "goroutine 1 [running]", "smoke: exit 2")
}

// TestOutOfMemoryARM fills a small memory: the end must be a message and
// goos.Exit.
func TestOutOfMemoryARM(t *testing.T) {
	tamagoGo(t)
	path := qemu(t, "MORTISE_QEMU", "qemu-system-arm", "mcimx6ul-evk")
	elf := buildFirmware(t, "arm", "-tags", "linkramsize", "-ldflags", ldflagsARM+" -X main.mode=oom")

	log := boot(t, "smoke: exit", time.Minute, machineARM(path, elf)...)
	wantLines(t, log, "out of memory", "smoke: exit 2")
}

// TestFaultARM reads address 0: TamaGo's handler must get its call on g0, and
// the traceback name the place.
func TestFaultARM(t *testing.T) {
	tamagoGo(t)
	path := qemu(t, "MORTISE_QEMU", "qemu-system-arm", "mcimx6ul-evk")
	elf := buildFirmware(t, "arm", "-ldflags", ldflagsARM+" -X main.mode=fault")

	log := boot(t, "smoke: exit", time.Minute, machineARM(path, elf)...)
	wantLines(t, log, "exception: vector 16 mode 23", "unhandled exception", "main.readNil", "smoke: exit 2")
}

// TestPreemptionARM has goroutines preempted beside all that the runtime does,
// in virtual time: that is where an interrupt comes between any two
// instructions. MORTISE_TOOLCHAIN_STD=1 does it for 20 s, and in real time too.
func TestPreemptionARM(t *testing.T) {
	path := qemu(t, "MORTISE_QEMU", "qemu-system-arm", "mcimx6ul-evk")
	version, err := exec.Command(tamagoGo(t), "env", "GOVERSION").Output()
	if err != nil || !strings.Contains(string(version), "-mortise.") {
		t.Skipf("%s, %v: not a Go of this tool's: it does not preempt", version, err)
	}
	seconds, limit := "2", time.Minute
	if os.Getenv("MORTISE_TOOLCHAIN_STD") != "" {
		seconds, limit = "20", 10*time.Minute
	}
	flags := ldflagsARM + " -X main.mode=preempt -X main.preemptFor=" + seconds
	elf := buildFirmware(t, "arm", "-ldflags", flags+" -X main.slice=100")
	log := boot(t, "smoke: exit", limit, append(machineARM(path, elf), "-icount", "shift=3,sleep=off")...)
	wantLines(t, log, "preemption checks passed")

	if os.Getenv("MORTISE_TOOLCHAIN_STD") != "" {
		elf = buildFirmware(t, "arm", "-ldflags", flags)
		log = boot(t, "smoke: exit", limit, machineARM(path, elf)...)
		wantLines(t, log, "preemption checks passed")
	}
}

// TestSmokeARM64 runs where MORTISE_QEMU_AARCH64 names an emulator (QEMU 10 or
// newer has the machine): it doubles the time of the smoke tests.
func TestSmokeARM64(t *testing.T) {
	tamagoGo(t)
	if os.Getenv("MORTISE_QEMU_AARCH64") == "" {
		t.Skip("MORTISE_QEMU_AARCH64 is not set")
	}
	path := qemu(t, "MORTISE_QEMU_AARCH64", "qemu-system-aarch64", "imx8mp-evk")
	elf := buildFirmware(t, "arm64", "-tags", "linkramsize", "-ldflags", ldflagsARM64)

	log := boot(t, "smoke: exit", time.Minute,
		path, "-M", "imx8mp-evk", "-m", "512M", "-nographic", "-monitor", "none", "-serial", "stdio", "-serial", "null", "-net", "none", "-kernel", elf)
	wantLines(t, log, "checks passed", "panic: the last check", "smoke: exit 2")
}

// linuxAMD64 skips a test where programs for amd64 do not run.
func linuxAMD64(t *testing.T) {
	t.Helper()
	tamagoGo(t)
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		t.Skip("not Linux on amd64")
	}
}

// TestSmokeAMD64 runs on TamaGo's user space board, without an emulator.
func TestSmokeAMD64(t *testing.T) {
	linuxAMD64(t)
	elf := buildFirmware(t, "amd64")

	log := boot(t, "smoke: exit", 2*time.Minute, elf)
	wantLines(t, log, "checks passed", "panic: the last check", "goroutine 1 [running]", "smoke: exit 2")
}

// stressTime is how long the stress tests run in the machine's time, all of
// them: MORTISE_STRESS=10m for the long ones.
func stressTime(t *testing.T) (text string, limit time.Duration) {
	t.Helper()
	d := 10 * time.Second
	if v := os.Getenv("MORTISE_STRESS"); v != "" {
		var err error
		if d, err = time.ParseDuration(v); err != nil {
			t.Fatal(err)
		}
	}
	return d.String(), 20*d + 2*time.Minute
}

// stressClocks are the machine's clocks in the stress tests: the host's, and
// one that counts instructions, 32 ns each, so that long runs end.
var stressClocks = []struct {
	name string
	args []string
}{
	{"host clock", nil},
	{"icount", []string{"-icount", "shift=5,sleep=off"}},
}

// TestStressARM has goroutines, timers, channels, the collector, select,
// panics and finalizers used at once.
func TestStressARM(t *testing.T) {
	tamagoGo(t)
	path := qemu(t, "MORTISE_QEMU", "qemu-system-arm", "mcimx6ul-evk")
	d, limit := stressTime(t)
	elf := buildFirmware(t, "arm", "-ldflags", ldflagsARM+" -X main.mode=stress -X main.stressFor="+d)

	for _, c := range stressClocks {
		t.Run(c.name, func(t *testing.T) {
			log := boot(t, "smoke: exit", limit, append(machineARM(path, elf), c.args...)...)
			wantLines(t, log, "smoke: 1 checks passed")
		})
	}
}

// TestStressARM64 is the same on arm64.
func TestStressARM64(t *testing.T) {
	tamagoGo(t)
	if os.Getenv("MORTISE_QEMU_AARCH64") == "" {
		t.Skip("MORTISE_QEMU_AARCH64 is not set")
	}
	path := qemu(t, "MORTISE_QEMU_AARCH64", "qemu-system-aarch64", "imx8mp-evk")
	d, limit := stressTime(t)
	elf := buildFirmware(t, "arm64", "-tags", "linkramsize", "-ldflags", ldflagsARM64+" -X main.mode=stress -X main.stressFor="+d)

	for _, c := range stressClocks {
		t.Run(c.name, func(t *testing.T) {
			log := boot(t, "smoke: exit", limit, append([]string{path, "-M", "imx8mp-evk", "-m", "512M", "-nographic", "-monitor", "none",
				"-serial", "stdio", "-serial", "null", "-net", "none", "-kernel", elf}, c.args...)...)
			wantLines(t, log, "smoke: 1 checks passed")
		})
	}
}

// TestGoTestAMD64 has the go command build and run tests, on the port's own
// machine for amd64.
func TestGoTestAMD64(t *testing.T) {
	linuxAMD64(t)

	cmd := exec.Command(tamagoGo(t), "test", "-count=1", "-vet=off", "-v", "-timeout=0", ".")
	cmd.Dir = filepath.Join("testdata", "gotest")
	cmd.Env = append(cleanEnv("GOOS=tamago", "GOARCH=amd64", "GOTOOLCHAIN=local", "GOROOT=", "GOWORK=off"), "MORTISE_TEST_VALUE=here")
	if cache := os.Getenv("GOCACHE"); cache != "" {
		cmd.Env = append(cmd.Env, "GOCACHE="+cache)
	}

	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Errorf("a deadlock passes")
	}
	wantLines(t, string(out), "--- PASS: TestNilPointer", "--- PASS: TestArgs", "fatal error: all goroutines are asleep - deadlock!")
	if t.Failed() {
		t.Logf("%s", out)
	}
}

// TestSmokeTinyARM runs with the heap dimensions of TamaGo's tag "tiny", in
// 64 MB.
func TestSmokeTinyARM(t *testing.T) {
	slow(t)
	path := qemu(t, "MORTISE_QEMU", "qemu-system-arm", "mcimx6ul-evk")
	elf := buildFirmware(t, "arm", "-tags", "tiny,linkramsize", "-ldflags", ldflagsARM)

	log := boot(t, "smoke: exit", time.Minute, machineARM(path, elf)...)
	wantLines(t, log, "checks passed", "smoke: exit 2")
}

func slow(t *testing.T) {
	t.Helper()
	tamagoGo(t)
	if os.Getenv("MORTISE_TOOLCHAIN_STD") == "" {
		t.Skip("MORTISE_TOOLCHAIN_STD is not set")
	}
}

func TestBuildStd(t *testing.T) {
	slow(t)

	for _, arch := range []string{"amd64", "arm", "arm64"} {
		for _, verb := range []string{"build", "vet"} {
			if verb == "vet" && os.Getenv("MORTISE_TOOLCHAIN_STD") != "vet" {
				continue
			}
			start := time.Now()
			cmd := exec.Command(tamagoGo(t), verb, "std")
			cmd.Env = cleanEnv("GOOS=tamago", "GOARCH="+arch, "GOARM=7", "GOTOOLCHAIN=local", "GOROOT=")
			if cache := os.Getenv("GOCACHE"); cache != "" {
				cmd.Env = append(cmd.Env, "GOCACHE="+cache)
			}
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("go %s std for %s: %v\n%s", verb, arch, err, out)
			}
			t.Logf("go %s std for %s: %.1f s", verb, arch, time.Since(start).Seconds())
		}
	}
}

// TestGOROOTInEnvironment is about the variable that go test sets for its
// children: the distribution must not take another one's compiler.
func TestGOROOTInEnvironment(t *testing.T) {
	cmd := exec.Command(tamagoGo(t), "env", "GOROOT")
	cmd.Env = append(cleanEnv(), "GOROOT="+t.TempDir())
	out, err := cmd.CombinedOutput()
	if got, want := strings.TrimSpace(string(out)), filepath.Dir(filepath.Dir(tamagoGo(t))); err != nil || got != want {
		t.Errorf("GOROOT = %q, %v, want %q", got, err, want)
	}
}
