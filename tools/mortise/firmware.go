package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"mortise/board/mx6ullevk"
	"mortise/stack/divert"
	"mortise/stack/gateway"
	"mortise/tools/mortise/internal/firmware"
	"mortise/tools/oobcheck/check"
)

// board returns what configurations are checked against, as the firmware does.
func board() *gateway.Board {
	b := &gateway.Board{Name: mx6ullevk.Name, Buffers: divert.PoolSlots(mx6ullevk.CrashBase - mx6ullevk.DMABase)}
	for _, c := range mx6ullevk.Controllers() {
		b.Controllers = append(b.Controllers, gateway.Controller{Name: c.Name, OobCapable: true, Stock: true})
	}
	return b
}

func firmwareCommand(f *flag.FlagSet) func(context.Context, string) error {
	load := f.String("load", "", "link in-band load in: gc, spin, print, reload, send, bulk or several, with commas (gateway-load.elf)")
	inject := f.Bool("inject", false, "link the fault injection of the tests in (gateway-inject.elf)")
	tasks := f.String("tasks", "", "link oob tasks in: `NAME` of image/gateway/tasks_NAME.go (gateway-NAME.elf)")
	config := f.String("config", "", "configuration `file` (default: gateway.toml at the root)")
	return func(ctx context.Context, root string) error {
		loads, err := firmware.ParseLoads(*load)
		if err != nil {
			return err
		}
		if _, err := firmware.ParseTasks(root, *tasks); err != nil {
			return err
		}
		_, _, err = buildFirmware(ctx, firmware.Options{Root: root, Load: loads, Tasks: *tasks, Inject: *inject, Config: *config})
		return err
	}
}

// buildFirmware completes o, checks the configuration, builds the image and says what it is.
func buildFirmware(ctx context.Context, o firmware.Options) (firmware.Result, *gateway.Config, error) {
	var r firmware.Result
	config, err := loadConfig(o.Root, o.Config)
	if err != nil {
		return r, nil, err
	}
	if o.Go == "" {
		if o.Go, err = firmware.FindGo(ctx, o.Root); err != nil {
			return r, nil, err
		}
	}
	o.Version = firmware.Version(ctx, o.Root)
	var checked *check.Report
	if !o.Inject { // whose oob code breaks the rules on purpose
		o.Check = func(file string) (err error) {
			checked, err = checkOob(file, o)
			return err
		}
	}
	if r, err = firmware.Build(ctx, o, os.Stderr); err != nil {
		return r, nil, err
	}
	shown := r
	shown.File = relative(r.File)
	fmt.Printf("%s  %.1f s\n", shown, r.Took.Seconds())
	if checked != nil {
		fmt.Printf("oob check: %s\n", checked)
	}
	return r, config, nil
}

// checkOob checks the oob code of the image at file: an image with a finding is none.
func checkOob(file string, o firmware.Options) (*check.Report, error) {
	r, err := check.Run(check.Gateway(file, o.Root, o.Tags()))
	if err != nil {
		return nil, fmt.Errorf("oob check: %w", err)
	}
	if !r.Passed() {
		if err := r.Write(os.Stderr, false); err != nil {
			return nil, err
		}
		return nil, errors.New("the oob code breaks the rules of docs/oobcheck.md: no image")
	}
	return r, nil
}

// loadConfig reads and checks a configuration, "" meaning the one at the root.
func loadConfig(root, path string) (*gateway.Config, error) {
	if path == "" {
		path = filepath.Join(root, "gateway.toml")
	}
	return gateway.Load(relative(path), board())
}

// relative shortens a path below the working directory, for messages.
func relative(path string) string {
	wd, err := os.Getwd()
	if err != nil {
		return path
	}
	if short, err := filepath.Rel(wd, path); err == nil && filepath.IsLocal(short) {
		return short
	}
	return path
}

func checkCommand(f *flag.FlagSet) func(context.Context, string) error {
	return func(_ context.Context, root string) error {
		c, err := loadConfig(root, f.Arg(0))
		if err != nil {
			return err
		}
		ports := 0
		for _, d := range c.Devices {
			ports += len(d.Ports)
		}
		fmt.Printf("%s: valid for board %s: %d devices, %d ports\n", f.Arg(0), mx6ullevk.Name, len(c.Devices), ports)
		return nil
	}
}
