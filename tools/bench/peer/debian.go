package peer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
)

// The metapackages of the kernels.
const (
	Standard = "linux-image-armmp"
	RealTime = "linux-image-rt-armmp"
)

// deviceTree is the board's. QEMU's machine has this one's processor and controllers.
const deviceTree = "imx6ul-14x14-evk.dtb"

// Kernel is a kernel in the cache and what belongs to it.
type Kernel struct {
	Package, Version string
	Dir              string   `json:"-"`
	Modules          []string // files in Dir, in the order in which they are loaded
}

// Names of the files in Kernel.Dir.
const (
	imageFile = "vmlinuz"
	treeFile  = deviceTree
	noteFile  = "kernel.json" // written last: a folder without it is no kernel
)

func (k *Kernel) file(name string) string { return filepath.Join(k.Dir, name) }

// fetcher gets kernels into the cache.
type fetcher struct {
	cache string // mortise/peers in the user's cache
	log   io.Writer
	apt   *apt // nil until it is needed
}

// CacheDir is where kernels are kept. To have the newest ones again, remove it.
func CacheDir() (string, error) {
	if dir := os.Getenv("MORTISE_CACHE"); dir != "" {
		return filepath.Join(dir, "peers"), nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no cache directory: %w", err)
	}
	return filepath.Join(dir, "mortise", "peers"), nil
}

// fetch returns the kernel of a metapackage: the cache's or else the one that apt offers now.
func (f *fetcher) fetch(ctx context.Context, meta string) (*Kernel, error) {
	k, err := readKernel(filepath.Join(f.cache, meta))
	if !errors.Is(err, fs.ErrNotExist) {
		return k, err
	}
	if err := f.open(ctx); err != nil {
		return nil, err
	}
	description, err := f.apt.show(ctx, meta)
	if err != nil {
		return nil, fmt.Errorf("%w: apt's sources have no %s for %s: %w", ErrUnavailable, meta, architecture, err)
	}
	name, ok := description.kernelOf()
	if !ok {
		return nil, fmt.Errorf("%s depends on no kernel: %q", meta, description.depends)
	}
	fmt.Fprintf(f.log, "peer: download %s %s\n", name, description.version)
	deb, err := f.apt.download(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return f.unpack(ctx, meta, deb, &Kernel{Package: name, Version: description.version})
}

// open brings the package lists up to date, once. Old or incomplete ones may do: what is missing is told when it is
// asked for.
func (f *fetcher) open(ctx context.Context) error {
	if f.apt != nil {
		return nil
	}
	if err := os.MkdirAll(f.cache, 0o755); err != nil {
		return err
	}
	work, err := os.MkdirTemp(f.cache, "apt-")
	if err != nil {
		return err
	}
	a, err := newApt(work)
	if err != nil {
		return errors.Join(err, os.RemoveAll(work))
	}
	f.apt = a
	fmt.Fprintf(f.log, "peer: download the package lists of %s\n", architecture)
	if _, err := a.run(ctx, "apt-get", "update"); err != nil {
		fmt.Fprintf(f.log, "peer: %v\n", err)
	}
	return nil
}

func (f *fetcher) close() error {
	if f.apt == nil {
		return nil
	}
	return os.RemoveAll(f.apt.dir)
}

// unpack takes what a peer needs out of a package. The folder gets its name when it is complete.
func (f *fetcher) unpack(ctx context.Context, meta, deb string, k *Kernel) (*Kernel, error) {
	work, err := os.MkdirTemp(f.cache, "unpack-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(work)
	if k.Modules, err = extract(func(read func(io.Reader) error) error { return dpkgTar(ctx, deb, read) }, work); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Base(deb), err)
	}
	note, err := json.MarshalIndent(k, "", "\t")
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(work, noteFile), note, 0o644); err != nil {
		return nil, err
	}
	k.Dir = filepath.Join(f.cache, meta)
	if err := errors.Join(os.Chmod(work, 0o755), os.RemoveAll(k.Dir), os.Rename(work, k.Dir)); err != nil {
		return nil, err
	}
	fmt.Fprintf(f.log, "peer: kept %s %s and %d modules in %s\n", k.Package, k.Version, len(k.Modules), k.Dir)
	return k, nil
}

func readKernel(dir string) (*Kernel, error) {
	note, err := os.ReadFile(filepath.Join(dir, noteFile))
	if err != nil {
		return nil, err
	}
	k := &Kernel{Dir: dir}
	if err := json.Unmarshal(note, k); err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	return k, nil
}

// dpkgTar hands the files of a package to read, as a tar archive.
func dpkgTar(ctx context.Context, deb string, read func(io.Reader) error) error {
	cmd := exec.CommandContext(ctx, "dpkg-deb", "--fsys-tarfile", deb)
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	readErr := read(out)
	_, drainErr := io.Copy(io.Discard, out)
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("dpkg-deb: %w: %s", err, firstLine(complaints.String()))
	}
	return errors.Join(readErr, drainErr)
}
