package peer

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// wanted are the modules of the board's network, unless the kernel has them built in: the GPIO controller that the
// supply of the PHYs hangs on, the PHY's driver that the device tree names, and the MAC's.
var wanted = []string{"gpio_mxc", "micrel", "fec"}

// module is a module as its package has it.
type module struct {
	path    string
	depends []string
}

// extract copies the kernel, the device tree and the modules that the network needs out of a kernel's package into dir.
// archive hands the package's files over as often as it is called. It returns the modules in the order of loading.
func extract(archive func(func(io.Reader) error) error, dir string) ([]string, error) {
	found, builtin := map[string]module{}, map[string]bool{}
	var image, tree string
	err := archive(func(r io.Reader) error {
		return walk(r, func(name string, content io.Reader) (err error) {
			switch base := path.Base(name); {
			case strings.HasPrefix(name, "boot/vmlinuz-"):
				image = name
			case base == deviceTree:
				tree = name
			case base == "modules.builtin":
				err = readBuiltin(content, builtin)
			case isModule(name):
				m := module{path: name}
				if m.depends, err = readDepends(name, content); err == nil {
					found[moduleName(name)] = m
				}
			}
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	if image == "" || tree == "" {
		return nil, fmt.Errorf("boot/vmlinuz-… is %q and %s is %q", image, deviceTree, tree)
	}
	order, err := loadOrder(found, builtin, wanted)
	if err != nil {
		return nil, err
	}
	targets, names := map[string]string{image: imageFile, tree: treeFile}, []string(nil)
	for i, name := range order {
		file := fmt.Sprintf("%02d-%s.ko", i, name)
		targets[found[name].path], names = file, append(names, file)
	}
	return names, archive(func(r io.Reader) error { return copyOut(r, targets, dir) })
}

// copyOut writes the files that targets names to dir.
func copyOut(r io.Reader, targets map[string]string, dir string) error {
	return walk(r, func(name string, content io.Reader) error {
		target, ok := targets[name]
		if !ok {
			return nil
		}
		b, err := expand(name, content)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, target), b, 0o644)
	})
}

// walk calls visit for each regular file of a tar archive. Names have no "./" in front.
func walk(r io.Reader, visit func(name string, content io.Reader) error) error {
	for t := tar.NewReader(r); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("package: %w", err)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		if err := visit(strings.TrimPrefix(h.Name, "./"), t); err != nil {
			return fmt.Errorf("%s: %w", h.Name, err)
		}
	}
}

func isModule(name string) bool {
	return strings.Contains(name, "/kernel/") && (strings.HasSuffix(name, ".ko") || strings.HasSuffix(name, ".ko.xz"))
}

// moduleName is the name by which other modules know the one in a file: without the directory, with "_" for "-".
func moduleName(file string) string {
	name, _, _ := strings.Cut(path.Base(file), ".")
	return strings.ReplaceAll(name, "-", "_")
}

func readBuiltin(r io.Reader, builtin map[string]bool) error {
	text, err := io.ReadAll(r)
	for _, file := range strings.Fields(string(text)) {
		builtin[moduleName(file)] = true
	}
	return err
}

// networkPaths are where modules that a network driver may need are. The others are not looked into: there are
// thousands.
var networkPaths = []string{
	"/kernel/drivers/net/", "/kernel/drivers/gpio/", "/kernel/drivers/ptp/", "/kernel/drivers/of/", "/kernel/net/core/",
	"/kernel/lib/",
}

// readDepends returns the names of the modules that one needs.
func readDepends(name string, r io.Reader) ([]string, error) {
	if !slices.ContainsFunc(networkPaths, func(p string) bool { return strings.Contains(name, p) }) {
		return nil, nil
	}
	b, err := expand(name, r)
	if err != nil {
		return nil, err
	}
	f, err := elf.NewFile(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	section := f.Section(".modinfo")
	if section == nil {
		return nil, errors.New("a module without .modinfo")
	}
	info, err := section.Data()
	if err != nil {
		return nil, err
	}
	return parseDepends(info), nil
}

// parseDepends reads .modinfo: strings "key=value", each with a zero behind it.
func parseDepends(info []byte) (names []string) {
	for _, entry := range strings.Split(string(info), "\x00") {
		value, ok := strings.CutPrefix(entry, "depends=")
		if !ok {
			continue
		}
		for _, name := range strings.FieldsFunc(value, func(r rune) bool { return r == ',' }) {
			names = append(names, moduleName(name))
		}
	}
	return names
}

// loadOrder returns the modules to load for those that are wanted, each behind those it needs.
func loadOrder(found map[string]module, builtin map[string]bool, wanted []string) (order []string, err error) {
	state := map[string]int{} // 1: being visited, 2: in order
	var visit func(name string) error
	visit = func(name string) error {
		m, ok := found[name]
		switch {
		case state[name] == 2 || !ok && builtin[name]:
			return nil
		case state[name] == 1:
			return fmt.Errorf("module %s needs itself", name)
		case !ok:
			return fmt.Errorf("there is no module %s", name)
		}
		state[name] = 1
		for _, other := range m.depends {
			if err := visit(other); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		state[name], order = 2, append(order, name)
		return nil
	}
	for _, name := range wanted {
		if err := visit(name); err != nil {
			return nil, err
		}
	}
	return order, nil
}

// expand returns a file's content, uncompressed.
func expand(name string, r io.Reader) ([]byte, error) {
	if !strings.HasSuffix(name, ".xz") {
		return io.ReadAll(r)
	}
	cmd := exec.Command("xz", "-dc")
	cmd.Stdin = r
	b, err := cmd.Output()
	if errors.Is(err, exec.ErrNotFound) {
		return nil, fmt.Errorf("%w: this kernel's modules take xz, which is not installed", ErrUnavailable)
	}
	return b, err
}
