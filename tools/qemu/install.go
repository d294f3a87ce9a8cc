package qemu

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const installTimeout = 15 * time.Minute

// Install installs the distribution's emulator: through apt-get for root, else unpacked into CacheDir, which needs no
// privileges and changes nothing outside. It reports each step to log, and what failed in one line.
func Install(ctx context.Context, log io.Writer) (*Emulator, error) {
	if _, err := exec.LookPath("apt-get"); err != nil {
		return nil, fmt.Errorf("cannot install %s: no apt-get here; install QEMU %s or newer, or name one in $%s",
			program, Oldest, EnvPath)
	}
	ctx, cancel := context.WithTimeout(ctx, installTimeout)
	defer cancel()
	i := installer{ctx: ctx, log: log, start: time.Now()}
	if os.Geteuid() == 0 {
		return i.system()
	}
	return i.cache()
}

// installer runs the steps of an installation.
type installer struct {
	ctx     context.Context
	log     io.Writer
	start   time.Time
	trouble string // what went wrong with the package lists: the reason, if a package is not found later
}

// system installs the package for everybody.
func (i *installer) system() (*Emulator, error) {
	i.step("update the package lists")
	i.update("update", "-q")
	i.step("install %s", program)
	if err := i.run("apt-get", "install", "-q", "-y", "--no-install-recommends", program); err != nil {
		return nil, err
	}
	return i.found(&Emulator{Path: "/usr/bin/" + program})
}

// cache unpacks the package, and what it depends on that this machine does not have, below CacheDir. All of it goes to
// a directory of its own first and gets its name at the end, so that an interrupted installation leaves none.
func (i *installer) cache() (*Emulator, error) {
	dir, err := CacheDir()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("cannot install %s: %w", program, err)
	}
	work, err := os.MkdirTemp(dir, "unpack-")
	if err != nil {
		return nil, fmt.Errorf("cannot install %s: %w", program, err)
	}
	defer os.RemoveAll(work)
	if err := i.unpack(work); err != nil {
		return nil, err
	}
	root := filepath.Join(dir, "root")
	if err := os.RemoveAll(root); err != nil {
		return nil, fmt.Errorf("cannot replace the former %s: %w", program, err)
	}
	if err := os.Rename(filepath.Join(work, "root"), root); err != nil {
		return nil, fmt.Errorf("cannot install %s: %w", program, err)
	}
	return i.found(&Emulator{Path: filepath.Join(root, "usr/bin", program)})
}

// unpack downloads the packages into work/archives and unpacks them into work/root.
func (i *installer) unpack(work string) error {
	if _, err := exec.LookPath("dpkg-deb"); err != nil {
		return fmt.Errorf("cannot install %s: no dpkg-deb here", program)
	}
	for _, sub := range []string{"lists/partial", "archives/partial", "root"} {
		if err := os.MkdirAll(filepath.Join(work, sub), 0o755); err != nil {
			return fmt.Errorf("cannot install %s: %w", program, err)
		}
	}
	options := unprivileged(work)
	i.step("download the package lists")
	i.update(append(options, "update", "-q")...)
	i.step("download %s and what it needs", program)
	err := i.run("apt-get", append(options,
		"install", "-q", "-y", "--no-install-recommends", "--download-only", program)...)
	if err != nil {
		return err
	}
	packages, err := filepath.Glob(filepath.Join(work, "archives", "*.deb"))
	if err != nil || len(packages) == 0 {
		return fmt.Errorf("cannot install %s: apt-get downloaded no package", program)
	}
	for _, deb := range packages {
		if err := i.run("dpkg-deb", "-x", deb, filepath.Join(work, "root")); err != nil {
			return err
		}
	}
	i.step("unpacked %d packages", len(packages))
	return nil
}

// unprivileged returns the options that make apt-get work in a directory of ours: with its own lists and archives, and
// without the locks of the system's, which it does not touch. It still reads what is installed, and leaves that out.
func unprivileged(work string) []string {
	return []string{
		"-o", "Dir::State::Lists=" + filepath.Join(work, "lists"),
		"-o", "Dir::Cache=" + work,
		"-o", "Dir::Cache::Archives=" + filepath.Join(work, "archives"),
		"-o", "Debug::NoLocking=1",
		"-o", "APT::Sandbox::User=", // there is no other user to change to
	}
}

// found opens what was installed and reports it.
func (i *installer) found(e *Emulator) (*Emulator, error) {
	e, err := open(e)
	if err != nil {
		return nil, fmt.Errorf("installed %s does not work: %w", program, err)
	}
	i.step("%s version %s", e.Path, e.Version)
	return e, nil
}

// update runs apt-get to bring the package lists up to date. Old lists may do, so its failing is no error yet.
func (i *installer) update(args ...string) {
	output, err := i.output("apt-get", args...)
	if i.trouble = complaint(output); err != nil && i.trouble == "" {
		i.trouble = err.Error()
	}
}

// run runs a command, whose output nobody needs unless it fails.
func (i *installer) run(name string, args ...string) error {
	output, err := i.output(name, args...)
	if i.ctx.Err() != nil {
		return fmt.Errorf("installation of %s stopped: %w", program, context.Cause(i.ctx))
	}
	if err == nil {
		return nil
	}
	why := complaint(output)
	if why == "" {
		why = fmt.Sprintf("%v: %s", err, lastLine(output))
	}
	if i.trouble != "" {
		why += "; package lists: " + i.trouble
	}
	return fmt.Errorf("cannot install %s: %s: %s", program, name, why)
}

func (i *installer) output(name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(i.ctx, name, args...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C")
	return cmd.CombinedOutput()
}

// complaint returns the line of apt-get's output that names what is wrong, empty if none does. Its errors begin with
// "E:"; when it is offline there are only warnings.
func complaint(output []byte) string {
	for _, prefix := range []string{"E: ", "Error: ", "W: ", "Warning: "} {
		for _, line := range strings.Split(string(output), "\n") {
			if rest, ok := strings.CutPrefix(line, prefix); ok {
				return strings.Join(strings.Fields(rest), " ")
			}
		}
	}
	return ""
}

func (i *installer) step(format string, args ...any) {
	fmt.Fprintf(i.log, "qemu: %5.1fs %s\n", time.Since(i.start).Seconds(), fmt.Sprintf(format, args...))
}
