package inband

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Images are the firmware files, by what they are.
type Images map[Image]string

// Build builds the images into dir from the module at root. toolchain is the go command that knows GOOS=tamago; if it is
// empty one is found.
func Build(ctx context.Context, root, toolchain, dir string, log io.Writer) (Images, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	env := os.Environ()
	if toolchain == "" {
		if toolchain, err = findGo(ctx, root, log); err != nil {
			return nil, err
		}
	}
	env = append(env, "TAMAGO="+toolchain)

	images := Images{Stock: filepath.Join(dir, "stockpeer.elf")}
	for image, load := range map[Image]string{Ours: "bulk", Spin: "bulk,spin"} {
		images[image] = filepath.Join(dir, "inband-"+strings.ReplaceAll(load, ",", "-")+".elf")
		build := command(ctx, root, env, log, "go", "run", "./tools/mortise", "firmware", "-load", load, "-config",
			filepath.Join("tools", "bench", "inband", "lan0.toml"))
		if err := build.Run(); err != nil {
			return nil, fmt.Errorf("build the firmware with load %s: %w", load, err)
		}
		if err := copyFile(images[image], filepath.Join(root, "build", "mx6ullevk", "gateway-load.elf")); err != nil {
			return nil, err
		}
	}
	if err := BuildStock(ctx, root, toolchain, images[Stock], "", log); err != nil {
		return nil, err
	}
	return images, nil
}

// BuildStock builds image/stockpeer, with load ("", "gc" or "spin"), to the file out.
func BuildStock(ctx context.Context, root, toolchain, out, load string, log io.Writer) (err error) {
	if out, err = filepath.Abs(out); err != nil {
		return err
	}
	if toolchain == "" {
		if toolchain, err = findGo(ctx, root, log); err != nil {
			return err
		}
	}
	env := append(os.Environ(), "GOOS=tamago", "GOARCH=arm", "GOARM=7", "GOOSPKG=github.com/usbarmory/tamago", "CGO_ENABLED=0",
		"GOTOOLCHAIN=local", "GOFLAGS=", "GOEXPERIMENT=", "GOWORK=off", "GOROOT=")
	args := []string{"build", "-trimpath", "-buildvcs=false", "-ldflags", "-T 0x80010000 -R 0x1000", "-o", out}
	if load != "" {
		args = append(args, "-tags", "load_"+load)
	}
	stock := command(ctx, root, env, log, toolchain, append(args, "./image/stockpeer")...)
	if err := stock.Run(); err != nil {
		return fmt.Errorf("build the firmware of stock TamaGo: %w", err)
	}
	return nil
}

// findGo returns the go command that the user named or that tools/toolchain makes.
func findGo(ctx context.Context, root string, log io.Writer) (string, error) {
	if path := os.Getenv("TAMAGO"); path != "" {
		return path, nil
	}
	cmd := exec.CommandContext(ctx, "go", "run", "./tools/toolchain", "-q")
	cmd.Dir, cmd.Stderr = root, log
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("find a Go that knows GOOS=tamago: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

func command(ctx context.Context, dir string, env []string, log io.Writer, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, env, log, log
	return cmd
}

func copyFile(to, from string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o644)
}
