package peer

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// ErrUnavailable says that this machine cannot provide the peers' kernels.
var ErrUnavailable = errors.New("the peers are not available here")

// apt is apt-get and apt-cache with a state of their own below dir, in which the architecture is armhf and nothing is
// installed.
type apt struct {
	dir     string
	options []string
}

const architecture = "armhf"

func newApt(dir string) (*apt, error) {
	for _, program := range []string{"apt-get", "apt-cache", "dpkg-deb"} {
		if _, err := exec.LookPath(program); err != nil {
			return nil, fmt.Errorf("%w: Debian's kernels take %s, which is not installed", ErrUnavailable, program)
		}
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	a := &apt{dir: dir}
	for _, sub := range []string{"state/lists/partial", "cache/archives/partial", "packages"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return nil, err
		}
	}
	status := filepath.Join(dir, "status")
	if err := os.WriteFile(status, nil, 0o644); err != nil {
		return nil, err
	}
	a.options = []string{
		"-q",
		"-o", "APT::Architecture=" + architecture,
		"-o", "APT::Architectures=" + architecture,
		"-o", "Dir::State=" + filepath.Join(dir, "state"),
		"-o", "Dir::State::status=" + status,
		"-o", "Dir::Cache=" + filepath.Join(dir, "cache"),
		"-o", "Acquire::Languages=none",
		"-o", "Debug::NoLocking=1",
		"-o", "APT::Sandbox::User=", // there is no other user to change to
	}
	return a, nil
}

// run runs apt-get or apt-cache and returns what it prints, or what it complains of.
func (a *apt) run(ctx context.Context, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, program, append(a.options, args...)...)
	cmd.Dir = filepath.Join(a.dir, "packages") // where apt-get download puts them
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	var complaints strings.Builder
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", program, strings.Join(args, " "), err, firstLine(complaints.String()))
	}
	return string(out), nil
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}

// control is what is of interest of a package's description.
type control struct{ name, version, depends string }

// show returns the description of the newest version of a package.
func (a *apt) show(ctx context.Context, name string) (control, error) {
	out, err := a.run(ctx, "apt-cache", "--no-all-versions", "show", name)
	if err != nil {
		return control{}, err
	}
	c := parseControl(out)
	if c.name != name {
		return c, fmt.Errorf("apt-cache shows %q when asked for %s", c.name, name)
	}
	return c, nil
}

// parseControl reads the first paragraph of control fields (deb-control(5)).
func parseControl(text string) (c control) {
	lines := bufio.NewScanner(strings.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() && lines.Text() != "" {
		field, value, ok := strings.Cut(lines.Text(), ":")
		if !ok || strings.HasPrefix(field, " ") {
			continue
		}
		value = strings.TrimSpace(value)
		switch strings.ToLower(field) {
		case "package":
			c.name = value
		case "version":
			c.version = value
		case "depends":
			c.depends = value
		}
	}
	return c
}

// kernelOf returns the name of the kernel's package that a metapackage depends on.
func (c *control) kernelOf() (string, bool) {
	for _, alternatives := range strings.Split(c.depends, ",") {
		first, _, _ := strings.Cut(alternatives, "|")
		name, _, _ := strings.Cut(strings.TrimSpace(first), " ")
		if name, _, _ = strings.Cut(name, ":"); strings.HasPrefix(name, "linux-image-") {
			return name, true
		}
	}
	return "", false
}

// download fetches a package, whose checksum apt-get verifies, and returns the file.
func (a *apt) download(ctx context.Context, name string) (string, error) {
	if _, err := a.run(ctx, "apt-get", "download", name); err != nil {
		return "", err
	}
	found, err := filepath.Glob(filepath.Join(a.dir, "packages", name+"_*.deb"))
	if err != nil || len(found) != 1 {
		return "", fmt.Errorf("apt-get download %s left %d files, %v", name, len(found), err)
	}
	return found[0], nil
}
