package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"mortise/tools/mortise/internal/firmware"
	"mortise/tools/mortise/internal/suite"
	"mortise/tools/qemu"
)

// What the QEMU tests are told, by environment.
const (
	envGo     = "MORTISE_TAMAGO_GO"  // go command that builds firmware
	envPlain  = "MORTISE_ELF"        // the production image
	envLoad   = "MORTISE_LOAD_ELF"   // an image for each in-band load: gc=PATH:spin=PATH
	envTasks  = "MORTISE_TASKS_ELF"  // images with oob tasks: NAME=PATH:NAME+LOAD=PATH
	envInject = "MORTISE_INJECT_ELF" // the image with fault injection
	envRules  = "MORTISE_RULES_ELF"  // images with forwarding rules, as many, or a filter program: 64=PATH:1+gc=PATH:filter=PATH; run: that of make run
	envStock  = "MORTISE_STOCK_ELF"  // images whose rt0 has a stock driver: see image/gateway/mode_test.go
	envLogs   = "MORTISE_TEST_LOGS"  // folder for the serial log and the capture of a test that failed
)

// onImages are the packages (and those below) whose tests run firmware or need the machine for themselves. All others
// are unit tests.
var onImages = []string{
	"mortise/image", "mortise/tools/bench", "mortise/tools/mortise/internal/demo", "mortise/tools/mortise/internal/oobtext", "mortise/tools/oobcheck", "mortise/tools/qemu",
	"mortise/tools/toolchain",
}

func testCommand(f *flag.FlagSet) func(context.Context, string) error {
	emulator := f.String("qemu", "", "`path` of qemu-system-arm (default: the installed one, else it gets installed)")
	return func(ctx context.Context, root string) error {
		r := &testRun{root: root, emulator: *emulator}
		return suite.Run(ctx, os.Stdout, []suite.Step{
			{Name: "C compiler", Run: r.compiler},
			{Name: "qemu-arm", Run: r.userEmulator},
			{Name: "tcpdump", Run: r.program("tcpdump", "tcpdump", "filters are not compared with libpcap's")},
			{Name: "curl", Run: r.program("curl", "curl", "the documents' commands are not run")},
			{Name: "jq", Run: r.program("jq", "jq", "the documents' commands are not run")},
			{Name: "ip", Run: r.program("ip", "iproute2", "no frames are exchanged with Linux")},
			{Name: "check", Run: r.check},
			{Name: "unit tests", Run: r.units},
			{Name: "million frames", Run: r.random},
			{Name: "QEMU", Needed: true, Run: r.qemu},
			{Name: "toolchain", Needed: true, Run: r.toolchain},
			{Name: "firmware", Needed: true, Run: r.images},
			{Name: "firmware vet", Run: r.vet},
			{Name: "QEMU tests", Run: r.onImages},
		})
	}
}

// testRun is what the steps of a test run hand on.
type testRun struct {
	root, emulator string
	race           bool
	env            []string // for the QEMU tests
	goCommand      string
}

// compiler sees to it that there is a C compiler, which go test -race links with.
func (r *testRun) compiler(ctx context.Context) (string, error) {
	if r.race = compiles(ctx); r.race {
		return "", nil
	}
	if os.Geteuid() != 0 {
		return "the unit tests run without -race", fmt.Errorf("%w: no C compiler, and installing gcc and libc6-dev takes root",
			suite.ErrSkipped)
	}
	if err := r.install(ctx, "gcc", "libc6-dev"); err != nil {
		return "", err
	}
	if r.race = compiles(ctx); !r.race {
		return "", errors.New("gcc was installed and still compiles nothing")
	}
	return "installed gcc and libc6-dev", nil
}

// userEmulator sees to it that there is an emulator of arm programs, by which unit tests count the oob stage's
// instructions.
func (r *testRun) userEmulator(ctx context.Context) (string, error) {
	if _, err := exec.LookPath("qemu-arm"); err == nil {
		return "", nil
	}
	if os.Geteuid() != 0 {
		return "unit tests count no instructions", fmt.Errorf("%w: no qemu-arm, and installing qemu-user takes root",
			suite.ErrSkipped)
	}
	return "installed qemu-user", r.install(ctx, "qemu-user")
}

// program returns a step that sees to it that there is a program that tests run, from a package of the distribution's; without tells
// what is left out otherwise.
func (r *testRun) program(name, pkg, without string) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		if _, err := exec.LookPath(name); err == nil {
			return "", nil
		}
		if os.Geteuid() != 0 {
			return without, fmt.Errorf("%w: no %s, and installing it takes root", suite.ErrSkipped, name)
		}
		return "installed " + pkg, r.install(ctx, pkg)
	}
}

// install installs packages of the distribution, as root.
func (r *testRun) install(ctx context.Context, packages ...string) error {
	for _, args := range [][]string{
		{"update", "-q"},
		append([]string{"install", "-q", "-y", "--no-install-recommends"}, packages...),
	} {
		if err := r.command(ctx, append(os.Environ(), "DEBIAN_FRONTEND=noninteractive"), "apt-get", args...); err != nil {
			return err
		}
	}
	return nil
}

// compiles reports whether gcc makes a program that uses the C library.
func compiles(ctx context.Context) bool {
	cmd := exec.CommandContext(ctx, "gcc", "-x", "c", "-o", os.DevNull, "-")
	cmd.Stdin = strings.NewReader("#include <stdlib.h>\nint main(void) { return EXIT_SUCCESS; }\n")
	return cmd.Run() == nil
}

// check is the quick part: what needs neither a build nor the emulator.
func (r *testRun) check(ctx context.Context) (string, error) {
	return "", r.command(ctx, nil, "make", "--no-print-directory", "check")
}

// units runs the tests that need the host only.
func (r *testRun) units(ctx context.Context) (string, error) {
	packages, err := r.packages(ctx, false)
	if err != nil {
		return "", err
	}
	args, remark := []string{"test", "-count=1"}, fmt.Sprintf("%d packages, without -race", len(packages))
	if r.race {
		args, remark = append(args, "-race"), fmt.Sprintf("%d packages with -race", len(packages))
	}
	return remark, r.command(ctx, nil, "go", append(args, packages...)...)
}

// random runs what takes too long under the race detector: a million frames through the companion core, 100,000 through
// filters, 120,000 through both the core and what explains it.
func (r *testRun) random(ctx context.Context) (string, error) {
	if !r.race {
		return "", fmt.Errorf("%w: the unit tests ran without -race, and so with all frames", suite.ErrSkipped)
	}
	return "", r.command(ctx, nil, "go", "test", "-count=1", "-run", "^Test(RandomFrames|Classic|Corpus|Kernel|RandomPrograms|ExplainIsWhatBecomes)$",
		"./stack/oob", "./stack/filter/bpf/load", "./stack/admin")
}

func (r *testRun) qemu(ctx context.Context) (string, error) {
	e, err := qemu.Ensure(ctx, r.emulator, os.Stderr)
	if err != nil {
		return "", err
	}
	r.env = append(r.env, qemu.EnvPath+"="+e.Path)
	return fmt.Sprintf("%s (%s)", e.Path, e.Version), nil
}

func (r *testRun) toolchain(ctx context.Context) (string, error) {
	path, err := firmware.FindGo(ctx, r.root)
	r.goCommand = path
	r.env = append(r.env, envGo+"="+path)
	return path, err
}

// images builds the firmware once for all tests.
func (r *testRun) images(ctx context.Context) (string, error) {
	built := map[string]string{} // by load
	// tools/bench/inband builds the one with bulk, for a configuration of its own.
	const allAtOnce = "gc,spin,print,reload,send"
	tested := []string{"gc", "spin", "print", "reload", "send", "filter", allAtOnce}
	for _, load := range append([]string{""}, tested...) {
		o := firmware.Options{}
		if load != "" {
			o.Load = strings.Split(load, ",")
			o.Out = filepath.Join(r.root, "build", "test", "gateway-"+strings.ReplaceAll(load, ",", "-")+".elf")
		}
		if err := r.build(ctx, &o); err != nil {
			return "", err
		}
		built[load] = o.File()
	}
	var tasks []string
	for _, want := range append([]string{"selftest", "control", "sockecho", "sockecho+gc", "socktest", "latency"}, prefixed("latency+", []string{"gc", "spin", "print", "send", allAtOnce})...) {
		name, load, loaded := strings.Cut(want, "+")
		o := firmware.Options{Tasks: name}
		if name == "socktest" {
			var err error
			if o.Config, err = r.variant(name, "gateway.toml", stampedDevice); err != nil {
				return "", err
			}
		}
		if loaded {
			o.Load = strings.Split(load, ",")
		}
		o.Out = filepath.Join(r.root, "build", "test", strings.NewReplacer("+", "-", ",", "-").Replace("gateway-"+want)+".elf")
		if err := r.build(ctx, &o); err != nil {
			return "", err
		}
		tasks = append(tasks, want+"="+o.File())
	}
	control, err := r.variant("control", "gateway.toml", allowControl)
	if err != nil {
		return "", err
	}
	inject := firmware.Options{Inject: true, Config: control}
	if err := r.build(ctx, &inject); err != nil {
		return "", err
	}
	var rules []string
	for _, want := range []string{"64", "1+reload", "1+gc", "64+spin", "filter"} {
		n, load, loaded := strings.Cut(want, "+")
		name := "forward-" + n
		if n == "filter" { // a program, not rules
			name = n
		}
		o := firmware.Options{
			Config: filepath.Join(r.root, "image", "gateway", "testdata", name+".toml"),
			Out:    filepath.Join(r.root, "build", "test", "gateway-"+name+load+".elf"),
		}
		if loaded {
			o.Load = []string{load}
		}
		if err := r.build(ctx, &o); err != nil {
			return "", err
		}
		rules = append(rules, want+"="+o.File())
	}
	run := firmware.Options{Out: filepath.Join(r.root, "build", "test", "gateway-run.elf")}
	if run.Config, err = forwarding(r.root, filepath.Join(r.root, "build", "test", "run")); err != nil {
		return "", err
	}
	if err := r.build(ctx, &run); err != nil {
		return "", err
	}
	rules = append(rules, "run="+run.File())
	stock, err := r.stockImages(ctx)
	if err != nil {
		return "", err
	}
	var loads []string
	for _, load := range tested {
		loads = append(loads, load+"="+built[load])
	}
	r.env = append(r.env, envPlain+"="+built[""], envInject+"="+inject.File(),
		envLoad+"="+strings.Join(loads, string(filepath.ListSeparator)),
		envTasks+"="+strings.Join(tasks, string(filepath.ListSeparator)),
		envRules+"="+strings.Join(rules, string(filepath.ListSeparator)),
		envStock+"="+strings.Join(stock, string(filepath.ListSeparator)))
	return fmt.Sprintf("%d images", len(built)+len(tasks)+len(rules)+len(stock)+1), nil
}

// stockImages builds those whose rt0 has a stock driver.
func (r *testRun) stockImages(ctx context.Context) (images []string, err error) {
	for _, v := range []struct {
		name, config string
		edits        []edit
		options      firmware.Options
	}{
		{"gateway", "gateway.toml", []edit{stockDriver, allowControl}, firmware.Options{Inject: true, Tasks: "sockecho"}},
		{"64", "image/gateway/testdata/forward-64.toml", []edit{stockDriver}, firmware.Options{}},
		{"1+reload", "image/gateway/testdata/forward-1.toml", []edit{stockDriver}, firmware.Options{Load: []string{"reload"}}},
		{"filter", "image/gateway/testdata/filter.toml", []edit{stockDriver}, firmware.Options{}},
		{"socktest", "gateway.toml", []edit{stockDriver}, firmware.Options{Tasks: "socktest"}},
	} {
		o := v.options
		if o.Config, err = r.variant("stock-"+v.name, v.config, v.edits...); err != nil {
			return nil, err
		}
		o.Out = filepath.Join(r.root, "build", "test", "gateway-stock-"+v.name+".elf")
		if err := r.build(ctx, &o); err != nil {
			return nil, err
		}
		images = append(images, v.name+"="+o.File())
	}
	return images, nil
}

// An edit of a configuration's text.
type edit struct{ old, new string }

// What tests change in a configuration: control over the API allowed, rt0 with a stock driver, or with timestamps.
var (
	allowControl = edit{"#control = true", "control = true"}
	stockDriver  = edit{`controller = "ENET1"`, "controller = \"ENET1\"\ndriver = \"stock\""}
	// The timer does not count in the emulator: software's times.
	stampedDevice = edit{`controller = "ENET1"`, "controller = \"ENET1\"\ntimestamps = \"hardware\""}
)

// variant writes the configuration at from, changed, and returns its path.
func (r *testRun) variant(name, from string, edits ...edit) (string, error) {
	data, err := os.ReadFile(filepath.Join(r.root, from))
	if err != nil {
		return "", err
	}
	text := string(data)
	for _, e := range edits {
		if strings.Count(text, e.old) != 1 {
			return "", fmt.Errorf("%s: want the line %q once", from, e.old)
		}
		text = strings.Replace(text, e.old, e.new, 1)
	}
	path := filepath.Join(r.root, "build", "test", "gateway-"+name+".toml")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	programs, err := filepath.Glob(filepath.Join(r.root, filepath.Dir(from), "*.o")) // a configuration names those beside it
	if err != nil {
		return "", err
	}
	for _, p := range programs {
		b, err := os.ReadFile(p)
		if err == nil {
			err = os.WriteFile(filepath.Join(filepath.Dir(path), filepath.Base(p)), b, 0o644)
		}
		if err != nil {
			return "", err
		}
	}
	return path, os.WriteFile(path, []byte(text), 0o644)
}

func prefixed(prefix string, list []string) (with []string) {
	for _, s := range list {
		with = append(with, prefix+s)
	}
	return with
}

func (r *testRun) build(ctx context.Context, o *firmware.Options) error {
	o.Root, o.Go = r.root, r.goCommand
	_, _, err := buildFirmware(ctx, *o)
	return err
}

// vet vets the firmware's packages as they are built for the target, which the host's go vet does not see.
func (r *testRun) vet(ctx context.Context) (string, error) {
	v := vetRun{root: r.root, goCommand: r.goCommand}
	n, err := v.firmware(ctx)
	return fmt.Sprintf("%d packages, oob rules too", n), err
}

// onImages runs the tests that need firmware, one package after the other.
func (r *testRun) onImages(ctx context.Context) (string, error) {
	logs := filepath.Join(r.root, "build", "test-logs")
	if err := errors.Join(os.RemoveAll(logs), os.MkdirAll(logs, 0o755)); err != nil {
		return "", err
	}
	packages, err := r.packages(ctx, true)
	if err != nil {
		return "", err
	}
	env := append(append(os.Environ(), r.env...), envLogs+"="+logs)
	args := append([]string{"test", "-count=1", "-p", "1", "-timeout", "15m"}, packages...)
	if err := r.command(ctx, env, "go", args...); err != nil {
		return "serial logs and captures: " + relative(logs), err
	}
	return fmt.Sprintf("%d packages", len(packages)), nil
}

// packages lists the module's packages whose tests run on images, or the others.
func (r *testRun) packages(ctx context.Context, onImages bool) ([]string, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "./...")
	cmd.Dir, cmd.Stderr = r.root, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	var packages []string
	for _, p := range strings.Fields(string(out)) {
		if runsOnImages(p) == onImages {
			packages = append(packages, p)
		}
	}
	return packages, nil
}

func runsOnImages(path string) bool {
	for _, p := range onImages {
		if path == p || strings.HasPrefix(path, p+"/") {
			return true
		}
	}
	return false
}

// command runs a command at the module's root, its output passed through. env nil is this process's.
func (r *testRun) command(ctx context.Context, env []string, name string, args ...string) error {
	return runAt(ctx, r.root, env, name, args...)
}
