// Package qemu finds, installs and runs the emulator of Mortise's boards: qemu-system-arm, version 7.2 or newer, and
// qemu-system-aarch64, which distributions ship beside it.
//
// Find and Ensure give an Emulator; a Machine describes one board with its Ethernet ports and starts it; a Wire is the
// far end of a port's cable, where the host speaks raw Ethernet; a Barrier stops virtual time while the host decides
// what the guest receives next.
//
// Stage: none (host). Follows: QEMU's manual page (qemu-system-arm(1), 7.2 and 10.0); apt-get(8), dpkg-deb(1). Tested on
// Debian 12 with QEMU 7.2.22 and 10.0.2. Does not support: hosts other than Linux, installation without apt.
package qemu

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const (
	program   = "qemu-system-arm"
	program64 = "qemu-system-aarch64"
	// EnvPath names the emulator when no path is given, EnvPath64 that of 64-bit boards.
	EnvPath   = "MORTISE_QEMU"
	EnvPath64 = "MORTISE_QEMU_AARCH64"
)

// Oldest is the first version that has all the machines need: the dgram netdev came with 7.2.
var Oldest = Version{Major: 7, Minor: 2}

// ErrNotFound says that no usable emulator is installed.
var ErrNotFound = errors.New("no usable " + program)

// Version is an emulator's version.
type Version struct{ Major, Minor, Micro int }

func (v Version) String() string { return fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Micro) }

// Before tells whether v is older than w.
func (v Version) Before(w Version) bool {
	if v.Major != w.Major {
		return v.Major < w.Major
	}
	if v.Minor != w.Minor {
		return v.Minor < w.Minor
	}
	return v.Micro < w.Micro
}

var versionLine = regexp.MustCompile(`(?m)^QEMU emulator version (\d+)\.(\d+)(?:\.(\d+))?`)

// ParseVersion reads what `qemu-system-arm --version` prints.
func ParseVersion(output string) (Version, error) {
	m := versionLine.FindStringSubmatch(output)
	if m == nil {
		first, _, _ := strings.Cut(strings.TrimSpace(output), "\n")
		return Version{}, fmt.Errorf("%q is not what an emulator prints for --version", first)
	}
	var n [3]int
	for i := range n {
		n[i], _ = strconv.Atoi(m[i+1]) // an absent micro version is 0
	}
	return Version{n[0], n[1], n[2]}, nil
}

// Emulator is a qemu-system-arm that runs on this host.
type Emulator struct {
	Path    string
	Version Version
	Data    string // directory of its firmware blobs (-L), empty for the built-in one
	Library string // LD_LIBRARY_PATH it needs, empty for none
}

// AArch64 returns the emulator of 64-bit boards: the one that $MORTISE_QEMU_AARCH64 names, else the one beside e.
func (e *Emulator) AArch64() (*Emulator, error) {
	if path := os.Getenv(EnvPath64); path != "" {
		return Open(path)
	}
	e64, err := Open(filepath.Join(filepath.Dir(e.Path), program64))
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%w beside %s: name one in $%s", errNo64, e.Path, EnvPath64)
	}
	return e64, err
}

var errNo64 = errors.New("no " + program64)

// environ returns the environment the emulator runs in.
func (e *Emulator) environ() []string {
	env := os.Environ()
	if e.Library != "" {
		env = append(env, "LD_LIBRARY_PATH="+e.Library)
	}
	return env
}

// Open checks that the emulator at path runs and is new enough.
func Open(path string) (*Emulator, error) {
	return open(&Emulator{Path: path})
}

func open(e *Emulator) (*Emulator, error) {
	path, err := exec.LookPath(e.Path)
	if err != nil {
		return nil, err
	}
	e.Path = path
	if root, ok := strings.CutSuffix(path, "/usr/bin/"+filepath.Base(path)); ok && root != "" {
		locate(e, root)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, e.Path, "--version")
	cmd.Env = e.environ()
	output, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%s --version: %w: %s", e.Path, err, lastLine(output))
	}
	if e.Version, err = ParseVersion(string(output)); err != nil {
		return nil, fmt.Errorf("%s: %w", e.Path, err)
	}
	if e.Version.Before(Oldest) {
		return nil, fmt.Errorf("%s is version %s, need %s or newer", e.Path, e.Version, Oldest)
	}
	return e, nil
}

// locate fills in where an emulator that was unpacked below root, and not installed, has its libraries and data.
func locate(e *Emulator, root string) {
	if data := filepath.Join(root, "usr/share/qemu"); isDir(data) {
		e.Data = data
	}
	var dirs []string
	for _, pattern := range []string{"usr/lib/*-linux-gnu*", "lib/*-linux-gnu*", "usr/lib/*-linux-gnu*/pulseaudio"} {
		found, _ := filepath.Glob(filepath.Join(root, pattern))
		dirs = append(dirs, found...)
	}
	e.Library = strings.Join(dirs, ":")
}

// Find returns the emulator to use: the one at path if path is not empty, else the one $MORTISE_QEMU names, else the
// first usable one of PATH and of the cache that Install fills. A path that is named must be usable: there is no
// falling back from it. errors.Is(err, ErrNotFound) tells that installing one would help.
func Find(path string) (*Emulator, error) {
	if path == "" {
		path = os.Getenv(EnvPath)
	}
	if path != "" {
		return Open(path)
	}
	var tried []string
	for _, candidate := range candidates() {
		e, err := Open(candidate)
		if err == nil {
			return e, nil
		}
		tried = append(tried, err.Error())
	}
	if tried == nil {
		return nil, fmt.Errorf("%w in PATH or in the cache", ErrNotFound)
	}
	return nil, fmt.Errorf("%w: %s", ErrNotFound, strings.Join(tried, "; "))
}

func candidates() (paths []string) {
	if path, err := exec.LookPath(program); err == nil {
		paths = append(paths, path)
	}
	if dir, err := CacheDir(); err == nil {
		if path := filepath.Join(dir, "root/usr/bin", program); isFile(path) {
			paths = append(paths, path)
		}
	}
	return paths
}

// Ensure is Find, and Install when nothing usable was found. It reports what it does to log, a line a step.
func Ensure(ctx context.Context, path string, log io.Writer) (*Emulator, error) {
	e, err := Find(path)
	if !errors.Is(err, ErrNotFound) {
		return e, err
	}
	fmt.Fprintf(log, "qemu: %v\n", err)
	return Install(ctx, log)
}

// CacheDir is where Install puts an emulator when it may not install one: mortise/qemu in the user's cache.
func CacheDir() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no cache directory: %w", err)
	}
	return filepath.Join(dir, "mortise", "qemu"), nil
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// lastLine returns the last line of a program's output that says something: the one that names the error.
func lastLine(output []byte) string {
	text := strings.TrimSpace(string(output))
	return strings.TrimSpace(text[strings.LastIndexByte(text, '\n')+1:])
}
