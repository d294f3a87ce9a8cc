// Package firmware builds the gateway's firmware image with a Go that knows GOOS=tamago.
//
// A build is a function of its inputs: the module's sources, the version, the configuration, the MAC seed and the Go that
// builds. The environment's GOFLAGS and experiments are not among them.
//
// Stage: host. Follows: github.com/usbarmory/tamago v1.26.5, package documentation (the link flags). Does not support:
// boards other than mx6ullevk.
package firmware

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Board is the board that images are built for; it is also the folder below build/ that holds them.
const Board = "mx6ullevk"

const (
	// Main is the firmware's main package.
	Main = "mortise/image/gateway"

	// textStart is where the text segment begins and textRound its alignment: 64 KiB into DRAM (0x80000000), the space
	// below is TamaGo's exception vectors and page table.
	textStart = "0x80010000"
	textRound = "0x1000"
)

// Options choose a firmware build.
type Options struct {
	Root    string            // the module's root
	Load    []string          // in-band load to link in: see Loads
	Tasks   string            // oob tasks to link in: NAME of image/gateway/tasks_NAME.go, "" for none
	Inject  bool              // link the fault injection in
	Out     string            // where to leave the image; "" is its place below build/
	Config  string            // configuration file; "" is gateway.toml at the root
	Files   map[string][]byte // that the configuration names
	Go      string            // go command that knows GOOS=tamago
	Version string            // shown by the status page; see Version
	// Check looks at the linked image before it is put in place: its error fails the build. nil accepts any.
	Check func(file string) error
}

// Loads are the kinds of in-band load that can be linked in, each the build tag load_<name>.
var Loads = []string{"gc", "spin", "print", "reload", "send", "bulk", "filter", "capture"}

// ParseLoads splits a list like "gc,spin" and refuses a name that is not in Loads.
func ParseLoads(list string) ([]string, error) {
	if list == "" {
		return nil, nil
	}
	wanted := map[string]bool{}
	for _, name := range strings.Split(list, ",") {
		wanted[strings.TrimSpace(name)] = true
	}
	var loads []string
	for _, name := range Loads {
		if wanted[name] {
			loads = append(loads, name)
			delete(wanted, name)
		}
	}
	for name := range wanted {
		return nil, fmt.Errorf("load %q: want one or more of %s, separated by commas", name, strings.Join(Loads, ", "))
	}
	return loads, nil
}

// ParseTasks refuses a name of tasks that the image has no file for.
func ParseTasks(root, name string) (string, error) {
	if name == "" {
		return "", nil
	}
	file := filepath.Join(filepath.FromSlash("image/gateway"), "tasks_"+name+".go")
	if _, err := os.Stat(filepath.Join(root, file)); err != nil || name == "none" {
		return "", fmt.Errorf("tasks %q: there is no %s", name, file)
	}
	return name, nil
}

// File returns the path of the image that o builds. Only the production image is called gateway.elf.
func (o *Options) File() string {
	if o.Out != "" {
		return o.Out
	}
	name := "gateway"
	if len(o.Load) > 0 {
		name += "-load"
	}
	if o.Tasks != "" {
		name += "-" + o.Tasks
	}
	if o.Inject {
		name += "-inject"
	}
	return filepath.Join(o.Root, "build", Board, name+".elf")
}

// Tags returns the build tags of o, in a fixed order.
func (o *Options) Tags() []string {
	var tags []string
	for _, name := range o.Load {
		tags = append(tags, "load_"+name)
	}
	if o.Tasks != "" {
		tags = append(tags, "tasks", "tasks_"+o.Tasks)
	}
	if o.Inject {
		tags = append(tags, "inject")
	}
	return tags
}

// args returns the arguments of the go command for o.
func (o *Options) args(out, overlay, seed string) []string {
	args := []string{"build", "-trimpath", "-buildvcs=false", "-o", out}
	if tags := o.Tags(); len(tags) > 0 {
		args = append(args, "-tags", strings.Join(tags, ","))
	}
	if overlay != "" {
		args = append(args, "-overlay", overlay)
	}
	ldflags := []string{"-T", textStart, "-R", textRound, "-X", "main.version=" + o.Version, "-X", "main.macSeed=" + seed}
	return append(args, "-ldflags", strings.Join(ldflags, " "), Main)
}

// Environ returns the environment in which a go command that knows tamago works on firmware: base, this process's as a
// rule, without what would change the image's bits.
func Environ(base []string) []string {
	set := []string{
		"GOOS=tamago", "GOARCH=arm", "GOARM=7", "GOOSPKG=github.com/usbarmory/tamago",
		"CGO_ENABLED=0", "GOTOOLCHAIN=local", "GOFLAGS=", "GOEXPERIMENT=", "GOWORK=off",
	}
	var env []string
	for _, kv := range base {
		name, _, _ := strings.Cut(kv, "=")
		if !hasName(set, name) && name != "GOROOT" {
			env = append(env, kv)
		}
	}
	return append(env, set...)
}

func hasName(env []string, name string) bool {
	for _, kv := range env {
		if strings.HasPrefix(kv, name+"=") {
			return true
		}
	}
	return false
}

// Result describes a built image.
type Result struct {
	File   string
	Size   int64
	SHA256 string
	Took   time.Duration
}

// String is the line that a build prints: where, how large, which bits.
func (r Result) String() string {
	return fmt.Sprintf("%s  %d bytes  sha256 %s", r.File, r.Size, r.SHA256)
}

// Build builds the image and puts it in place when it is complete: a failed or interrupted build leaves the old one.
// What the go command says goes to log.
func Build(ctx context.Context, o Options, log io.Writer) (Result, error) {
	start := time.Now()
	dir := filepath.Dir(o.File())
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return Result{}, err
	}
	seed, err := MACSeed(filepath.Join(o.Root, "build", "mac-seed"))
	if err != nil {
		return Result{}, err
	}
	work, err := os.MkdirTemp(dir, ".build-")
	if err != nil {
		return Result{}, err
	}
	defer os.RemoveAll(work)

	overlay, err := o.overlay(work)
	if err != nil {
		return Result{}, err
	}
	out := filepath.Join(work, filepath.Base(o.File()))
	cmd := Command(ctx, o.Go, o.args(out, overlay, seed)...)
	cmd.Dir, cmd.Env = o.Root, Environ(os.Environ())
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return Result{}, fmt.Errorf("firmware build with %s: %w", o.Go, err)
	}
	if o.Check != nil {
		if err := o.Check(out); err != nil {
			return Result{}, err
		}
	}
	r, err := describe(out)
	if err != nil {
		return Result{}, err
	}
	if err := os.Rename(out, o.File()); err != nil {
		return Result{}, err
	}
	r.File, r.Took = o.File(), time.Since(start)
	return r, nil
}

// overlay writes what stands for files of the module, in work, and returns the overlay's name; "" when nothing does.
func (o *Options) overlay(work string) (string, error) {
	files := Overlay{}
	if o.Config != "" {
		config, err := filepath.Abs(o.Config)
		if err != nil {
			return "", err
		}
		files[filepath.Join(o.Root, "gateway.toml")] = config
	}
	if len(o.Files) != 0 {
		bundle, err := json.Marshal(o.Files) // sorted by name
		if err != nil {
			return "", err
		}
		name := filepath.Join(work, "filters.json")
		if err := os.WriteFile(name, bundle, 0o644); err != nil {
			return "", err
		}
		files[filepath.Join(o.Root, "filters.json")] = name
	}
	if len(files) == 0 {
		return "", nil
	}
	name := filepath.Join(work, "overlay.json")
	return name, files.Write(name)
}

// describe measures the file at path.
func describe(path string) (Result, error) {
	f, err := os.Open(path)
	if err != nil {
		return Result{}, err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, f)
	if err != nil {
		return Result{}, err
	}
	return Result{File: path, Size: n, SHA256: hex.EncodeToString(h.Sum(nil))}, nil
}
