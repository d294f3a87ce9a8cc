package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"mortise/tools/mortise/internal/firmware"
)

// vetMains are the firmware mains that are vetted, with what they are built from, by architecture.
var vetMains = []struct {
	arch  string
	mains []string
}{
	{"arm", []string{firmware.Main, "mortise/image/stagetest"}},
	{"arm64", []string{"mortise/image/stagetest"}},
}

func vetCommand(*flag.FlagSet) func(context.Context, string) error {
	return func(ctx context.Context, root string) error {
		v := vetRun{root: root}
		if err := v.host(ctx); err != nil {
			return err
		}
		var err error
		if v.goCommand, err = firmware.CachedGo(ctx, root); err != nil {
			return err
		}
		if v.goCommand == "" {
			fmt.Println("oob rules: checked as built for the host; for the firmware once its toolchain is there (make firmware)")
			return nil
		}
		return v.rules(ctx)
	}
}

// vetRun is a check of the sources by go vet and tools/oobvet.
type vetRun struct {
	root      string
	goCommand string // that knows GOOS=tamago
	packages  []string
	overlay   string
	vetted    int
}

// host checks the oob rules in all packages as they are built for the host.
func (v *vetRun) host(ctx context.Context) error {
	tool, err := v.tool(ctx)
	if err != nil {
		return err
	}
	return runAt(ctx, v.root, nil, "go", "vet", "-vettool="+tool, "./...")
}

// rules checks the oob rules in the firmware's packages as they are built for the target: the production image, then all
// that the tests link in.
func (v *vetRun) rules(ctx context.Context) error {
	tool, err := v.tool(ctx)
	if err != nil {
		return err
	}
	for _, o := range []firmware.Options{
		{}, {Load: firmware.Loads, Tasks: "latency", Inject: true}, {Tasks: "control"}, {Tasks: "selftest"},
	} {
		if err := v.vet(ctx, &o, "-vettool="+tool); err != nil {
			return err
		}
	}
	return nil
}

// firmware runs go vet, then the oob rules, on the firmware's packages, and returns how many those are.
func (v *vetRun) firmware(ctx context.Context) (int, error) {
	// An address is an integer in oob code, by the rules of docs/oobrules.md: -unsafeptr has nothing to say there.
	if err := v.vet(ctx, &firmware.Options{Load: firmware.Loads, Tasks: "latency", Inject: true}, "-unsafeptr=false"); err != nil {
		return v.vetted, err
	}
	return v.vetted, v.rules(ctx)
}

// tool builds tools/oobvet and returns its path.
func (v *vetRun) tool(ctx context.Context) (string, error) {
	path := filepath.Join(v.root, "build", "oobvet")
	return path, runAt(ctx, v.root, nil, "go", "build", "-o", path, "./tools/oobvet")
}

// vet runs go vet with a flag on the firmware's packages as o builds them, for each architecture.
func (v *vetRun) vet(ctx context.Context, o *firmware.Options, flag string) error {
	tags := "-tags=" + strings.Join(o.Tags(), ",")
	vetted := map[string]bool{}
	for _, m := range vetMains {
		env := append(firmware.Environ(os.Environ()), "GOARCH="+m.arch)
		if err := v.list(ctx, env, tags, m.mains); err != nil {
			return err
		}
		args := append([]string{"vet", tags, "-overlay", v.overlay, flag}, v.packages...)
		if err := runAt(ctx, v.root, env, v.goCommand, args...); err != nil {
			return err
		}
		for _, p := range v.packages {
			vetted[p] = true
		}
	}
	v.vetted = len(vetted)
	return nil
}

// list finds the packages of firmware mains. Their tests run on the host, so an overlay takes them away.
func (v *vetRun) list(ctx context.Context, env []string, tags string, mains []string) error {
	const format = `{{if .Module}}{{if .Module.Main}}{{$d := .Dir}}package {{.ImportPath}}
{{range .TestGoFiles}}test {{$d}}/{{.}}
{{end}}{{range .XTestGoFiles}}test {{$d}}/{{.}}
{{end}}{{end}}{{end}}`
	list := firmware.Command(ctx, v.goCommand, append([]string{"list", "-deps", tags, "-f", format}, mains...)...)
	list.Dir, list.Env, list.Stderr = v.root, env, os.Stderr
	out, err := list.Output()
	if err != nil {
		return fmt.Errorf("go list: %w", err)
	}
	v.packages = nil
	overlay := firmware.Overlay{}
	for line := range strings.Lines(string(out)) {
		kind, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch kind {
		case "package":
			v.packages = append(v.packages, value)
		case "test":
			overlay[value] = ""
		}
	}
	v.overlay = filepath.Join(v.root, "build", "test", "no-tests.json")
	return overlay.Write(v.overlay)
}

// runAt runs a command in a folder, its output passed through. env nil is this process's.
func runAt(ctx context.Context, dir string, env []string, name string, args ...string) error {
	cmd := firmware.Command(ctx, name, args...)
	cmd.Dir, cmd.Env = dir, env
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd.Run()
}
