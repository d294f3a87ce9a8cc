package latency

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// AnyLoad is the load of an image that stands in for those that have none of their own.
const AnyLoad Load = "*"

// Set is a flag.Value: "PATH" is the image for any load, "gc=PATH" the one for LOAD=gc.
func (images Images) Set(value string) error {
	kind, path, found := strings.Cut(value, "=")
	if !found {
		kind, path = string(AnyLoad), value
	}
	if kind == "" || path == "" {
		return fmt.Errorf("%q: want PATH or LOAD=PATH, as in gc=build/gateway-load.elf", value)
	}
	images[Load(kind)] = path
	return nil
}

func (images Images) String() string {
	var parts []string
	for load, path := range images {
		parts = append(parts, string(load)+"="+path)
	}
	return strings.Join(parts, " ")
}

// Loads returns the images of the firmware that cases need, by load, each once, in their order.
func Loads(cases []Case) (loads []Load) {
	seen := map[Load]bool{}
	for _, c := range cases {
		if c.Guest == "" && !seen[c.Image()] {
			seen[c.Image()] = true
			loads = append(loads, c.Image())
		}
	}
	return loads
}

// built is where the host command leaves an image.
func built(root, tasks, load string) string {
	name := "gateway"
	if strings.HasPrefix(tasks, rulesPrefix) {
		tasks = "" // the configuration is no part of the name
	}
	if load != "" {
		name += "-load"
	}
	if tasks != "" {
		name += "-" + tasks
	}
	return filepath.Join(root, "build", "mx6ullevk", name+".elf")
}

// Build builds the firmware of loads with the host command, from the module at root, and copies it to dir: the host
// command has one place for all loaded images. toolchain is the go command that knows GOOS=tamago; if it is empty the
// host command finds one.
func Build(ctx context.Context, root, toolchain, dir string, loads []Load, log io.Writer) (Images, error) {
	images := Images{}
	for _, image := range loads {
		tasks, load, found := strings.Cut(string(image), "+")
		if !found {
			tasks, load = "", string(image)
		}
		args := []string{"run", "./tools/mortise", "firmware", "-load", load, "-tasks", tasks}
		if strings.HasPrefix(tasks, rulesPrefix) {
			args = []string{"run", "./tools/mortise", "firmware", "-load", load, "-config", filepath.Join("image", "gateway", "testdata", tasks+".toml")}
		}
		if tasks == stockImage {
			tasks = ""
			args = []string{"run", "./tools/mortise", "firmware", "-load", load, "-config", stockConfig}
		}
		cmd := exec.CommandContext(ctx, "go", args...)
		cmd.Dir, cmd.Stdout, cmd.Stderr = root, log, log
		if cmd.Env = os.Environ(); toolchain != "" {
			cmd.Env = append(cmd.Env, "TAMAGO="+toolchain)
		}
		if err := cmd.Run(); err != nil {
			return nil, fmt.Errorf("build the firmware with load %q: %w", image, err)
		}
		name := strings.NewReplacer(",", "-", "+", "-").Replace("gateway-" + string(image))
		images[image] = filepath.Join(dir, strings.TrimSuffix(name, "-")+".elf")
		if err := copyFile(images[image], built(root, tasks, load)); err != nil {
			return nil, fmt.Errorf("keep the firmware with load %q: %w", image, err)
		}
	}
	return images, nil
}

func copyFile(to, from string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o644)
}

// Root returns the module's root: the working directory or the nearest one above it that has a go.mod.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("no go.mod here or above: run it from the checkout")
		}
	}
}
