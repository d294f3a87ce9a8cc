package peer

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"mortise/tools/bench/inband"
	"mortise/tools/bench/latency"
	"mortise/tools/bench/plugin"
)

// moduleRange is where Linux on arm has its modules, with the kernel at 3 GiB, as Debian's is: the 16 MiB below it, but
// for the last two (Linux, Documentation/arm/memory.rst). The driver is a module.
var moduleRange = plugin.Range{First: 0xbf000000, End: 0xbfe00000}

// controller is ENET2's name on the kernel's platform bus.
const controller = "20b4000.ethernet"

// macOfGuest is any that is no other's here.
const macOfGuest = "02:00:00:00:0e:02"

// options of the kernel. No states of idleness and no self-tests of ciphers at boot: see docs/measure.md.
const options = "console=ttymxc0 quiet panic=-1 cpuidle.off=1 cryptomgr.notests ipv6.disable=1"

// linuxGuests says which guest boots which kernel, with what settings of tools/bench/peer/guest.
var linuxGuests = []struct{ name, kernel, settings string }{
	{latency.Linux, Standard, ""},
	{latency.LinuxLoaded, Standard, "PEER_LOAD=1"},
	{latency.LinuxRT, RealTime, ""},
	{latency.LinuxRTLoaded, RealTime, "PEER_LOAD=1"},
	{latency.LinuxRTThreads, RealTime, "PEER_LOAD=1 PEER_THREADED=1"},
}

// stockGuests are the loads that image/stockpeer is built with.
var stockGuests = []struct{ name, load string }{
	{latency.Stock, ""}, {latency.StockGC, "gc"}, {latency.StockSpin, "spin"},
}

// Builder makes guests.
type Builder struct {
	Root  string // the module's
	Go    string // go command that knows GOOS=tamago; empty: one is found
	Dir   string // gets what is built
	Cache string // of kernels
	Log   io.Writer
}

// Build makes the guests that names has. ErrUnavailable says that this machine has no way to Debian's kernels.
func (b *Builder) Build(ctx context.Context, names map[string]bool) (map[string]latency.Guest, error) {
	if err := os.MkdirAll(b.Dir, 0o755); err != nil {
		return nil, err
	}
	guests := map[string]latency.Guest{}
	if err := b.linux(ctx, names, guests); err != nil {
		return nil, err
	}
	return guests, b.stock(ctx, names, guests)
}

func (b *Builder) linux(ctx context.Context, names map[string]bool, guests map[string]latency.Guest) error {
	f := fetcher{cache: b.Cache, log: b.Log}
	defer f.close()
	kernels, initramfs := map[string]*Kernel{}, map[string]string{}
	for _, g := range linuxGuests {
		if !names[g.name] {
			continue
		}
		k := kernels[g.kernel]
		if k == nil {
			var err error
			if k, err = f.fetch(ctx, g.kernel); err != nil {
				return err
			}
			kernels[g.kernel] = k
			initramfs[g.kernel] = filepath.Join(b.Dir, g.kernel+".cpio")
			if err := b.initramfs(ctx, initramfs[g.kernel], k); err != nil {
				return err
			}
			if err := writeTree(b.tree(g.kernel), k); err != nil {
				return err
			}
		}
		guests[g.name] = latency.Guest{
			Kernel: k.file(imageFile),
			Args:   []string{"-initrd", initramfs[g.kernel], "-dtb", b.tree(g.kernel), "-append", commandLine(g.settings)},
			About:  fmt.Sprintf("%s %s (%s)", k.Package, k.Version, architecture),
			Code:   []plugin.Range{moduleRange},
		}
	}
	return nil
}

// tree is the kernel's device tree as the guest gets it.
func (b *Builder) tree(kernel string) string { return filepath.Join(b.Dir, kernel+".dtb") }

// commandLine is the kernel's. What it does not know it gives to init.
func commandLine(settings string) string {
	return strings.TrimSpace(fmt.Sprintf("%s PEER_DEVICE=%s PEER_ADDRESS=%v PEER_MAC=%s PEER_NEIGHBOUR=%v PEER_NEIGHBOUR_MAC=%v %s",
		options, controller, latency.GuestAddress, macOfGuest, latency.HostAddress, latency.HostMAC, settings))
}

// initramfs builds the guest's program and packs it with the kernel's modules.
func (b *Builder) initramfs(ctx context.Context, path string, k *Kernel) error {
	program := filepath.Join(b.Dir, "guest")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", program,
		"./tools/bench/peer/guest")
	cmd.Dir, cmd.Stdout, cmd.Stderr = b.Root, b.Log, b.Log
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=arm", "GOARM=7", "CGO_ENABLED=0", "GOFLAGS=")
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("build the guest's program: %w", err)
	}
	init, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	return writeInitramfs(path, init, k)
}

// about says what image/stockpeer is made of, by go.mod.
func about(root string) string {
	versions := []string{"stock"}
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		return versions[0]
	}
	for _, line := range strings.Split(string(mod), "\n") {
		fields := strings.Fields(line)
		if len(fields) >= 2 && (fields[0] == "github.com/usbarmory/tamago" || fields[0] == "gvisor.dev/gvisor") {
			versions = append(versions, fields[0]+" "+fields[1])
		}
	}
	return strings.Join(versions, ", ")
}

func (b *Builder) stock(ctx context.Context, names map[string]bool, guests map[string]latency.Guest) error {
	for _, g := range stockGuests {
		if !names[g.name] {
			continue
		}
		path := filepath.Join(b.Dir, g.name+".elf")
		if err := inband.BuildStock(ctx, b.Root, b.Go, path, g.load, b.Log); err != nil {
			return err
		}
		var code []plugin.Range
		for _, prefix := range latency.TamaGoCode {
			ranges, err := plugin.Code(path, prefix)
			if err != nil {
				return err
			}
			code = append(code, ranges...)
		}
		guests[g.name] = latency.Guest{Kernel: path, About: about(b.Root), Code: code}
	}
	return nil
}
