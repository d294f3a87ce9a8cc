package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"mortise/tools/mortise/internal/demo"
	"mortise/tools/mortise/internal/firmware"
	"mortise/tools/mortise/internal/terminal"
	"mortise/tools/qemu"
)

func runCommand(f *flag.FlagSet) func(context.Context, string) error {
	length := f.Duration("for", 0, "end after this time and fail if an oob reply was lost (default: run until ^C)")
	pcap := f.String("pcap", "", "keep what passes all ports in this `file`")
	emulator := f.String("qemu", "", "`path` of qemu-system-arm (default: the installed one, else it gets installed)")
	config := f.String("config", "", "configuration `file` (default: gateway.toml at the root, and the rules of forward.toml)")
	return func(ctx context.Context, root string) error {
		if *length < 0 {
			return fmt.Errorf("-for %v: want a positive time", *length)
		}
		release := terminal.TakeForeground()
		defer release()
		err := runDemo(ctx, root, *config, *emulator, demo.Config{
			PCAP: *pcap, For: *length, Out: os.Stdout, InPlace: terminal.Is(os.Stdout),
		})
		if ctx.Err() != nil && errors.Is(err, context.Canceled) {
			return nil // ^C before there was anything to sum up
		}
		return err
	}
}

func runDemo(ctx context.Context, root, config, emulator string, c demo.Config) error {
	e, err := qemu.Ensure(ctx, emulator, os.Stderr)
	if err != nil {
		return err
	}
	c.Dir = relative(filepath.Join(root, "build", "run"))
	if config == "" {
		if config, err = forwarding(root, c.Dir); err != nil {
			return err
		}
	}
	image, parsed, err := buildFirmware(ctx, firmware.Options{Root: root, Config: config})
	if err != nil {
		return err
	}
	fmt.Printf("\nboots on     mcimx6ul-evk, QEMU %s (%s)\nwith         %s\n", e.Version, e.Path, relative(config))
	c.Emulator, c.Kernel, c.Gateway = e, image.File, parsed
	return demo.Run(ctx, c)
}

// forwarding writes the configuration that a run without one of its own has to dir, and returns its path.
func forwarding(root, dir string) (string, error) {
	text, err := demo.Configuration(root)
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "gateway.toml")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	return path, os.WriteFile(path, text, 0o644)
}
