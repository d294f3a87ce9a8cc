package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
)

// needMB is what a build takes on disk, at most: the tree, the tools' build
// cache, and the tools twice.
const needMB = 900

// tools are the programs that the port changes. The others are the release's:
// they do not care for the GOOS.
var tools = []string{"go", "compile", "asm", "link"}

// A builder makes a distribution in an empty folder.
type builder struct {
	port     *port
	release  release
	dir      string
	cache    string // for the go command's build cache and temporary files
	progress *progress
}

// version is what the distribution calls itself. The port's hash is part of
// it: the go command's build cache knows compilers by their version only.
func (b *builder) version() string {
	return "go" + b.release.version + "-mortise." + b.port.id[:10]
}

func (b *builder) run(ctx context.Context) error {
	if err := b.assemble(ctx); err != nil {
		return err
	}

	if err := b.buildTools(ctx); err != nil {
		return err
	}

	return b.try(ctx)
}

// assemble writes the sources: the release's, changed by the port.
func (b *builder) assemble(ctx context.Context) error {
	c := treeCopy{from: b.release.root, to: b.dir}
	if err := c.run(ctx); err != nil {
		return fmt.Errorf("copying go%s: %w", b.release.version, err)
	}
	b.progress.done("copied go%s: %d files, %d MB", b.release.version, c.files, c.bytes>>20)

	if err := b.port.install(b.dir); err != nil {
		return fmt.Errorf("the port does not fit go%s: %w", b.release.version, err)
	}

	if err := b.nameVersion(); err != nil {
		return err
	}
	b.progress.done("applied the port: %d edits, %d constraints, %d new files", len(b.port.edits), b.port.widened, len(b.port.files)+len(b.port.derivations))

	return nil
}

var versionConst = regexp.MustCompile("(?m)^const version = `[^`]*`$")

// nameVersion gives the distribution its version.
func (b *builder) nameVersion() error {
	path := filepath.Join(b.dir, "src", "internal", "buildcfg", "zbootstrap.go")

	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if n := len(versionConst.FindAll(text, -1)); n != 1 {
		return fmt.Errorf("%s: %d version constants, want 1", path, n)
	}
	text = versionConst.ReplaceAllLiteral(text, []byte("const version = `"+b.version()+"`"))
	if err := os.WriteFile(path, text, 0o644); err != nil {
		return err
	}

	path = filepath.Join(b.dir, "VERSION")
	if text, err = os.ReadFile(path); err != nil {
		return err
	}
	_, rest, _ := strings.Cut(string(text), "\n")
	if err := os.WriteFile(path, []byte(b.version()+"\n"+rest), 0o644); err != nil {
		return err
	}

	// A project's own choice of toolchain must not replace this one.
	path = filepath.Join(b.dir, "go.env")
	if text, err = os.ReadFile(path); err != nil && !os.IsNotExist(err) {
		return err
	}
	text = regexp.MustCompile(`(?m)^GOTOOLCHAIN=.*\n?`).ReplaceAll(text, nil)

	return os.WriteFile(path, append(text, "GOTOOLCHAIN=local\n"...), 0o644)
}

// buildTools compiles the tools with the stock go command and the stock
// compiler, from the tree's sources.
func (b *builder) buildTools(ctx context.Context) error {
	out := filepath.Join(b.dir, "out")
	tmp := filepath.Join(b.dir, "tmp")
	for _, dir := range []string{out, tmp, filepath.Join(b.dir, "bin"), b.cache} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}

	args := []string{"build", "-trimpath", "-pgo=off",
		// The stock linker would record its own version.
		"-ldflags=-s -w -X=runtime.buildVersion=" + b.version(),
		"-o", out + string(filepath.Separator)}
	for _, t := range tools {
		args = append(args, "cmd/"+t)
	}

	cmd := exec.CommandContext(ctx, b.release.goCommand(), args...)
	cmd.Dir = filepath.Join(b.dir, "src")
	cmd.Env = cleanEnv(
		"GOROOT="+b.dir,
		"GOCACHE="+b.cache,
		"GOPATH="+filepath.Join(tmp, "gopath"),
		"GOMODCACHE="+filepath.Join(tmp, "gopath", "pkg", "mod"),
		"GOTMPDIR="+tmp,
		"XDG_CONFIG_HOME="+tmp,
		"GOTOOLCHAIN=local",
		"GOENV=off",
		"GOWORK=off",
		"GOPROXY=off",
		"CGO_ENABLED=0",
	)

	var output bytes.Buffer
	cmd.Stdout = &output
	cmd.Stderr = &output
	killTree(cmd)

	if err := cmd.Run(); err != nil {
		return fmt.Errorf("building the tools: %s (%w)", lastLine(output.String()), err)
	}

	toolDir := filepath.Join(b.dir, "pkg", "tool", runtime.GOOS+"_"+runtime.GOARCH)
	for _, t := range tools {
		to := filepath.Join(toolDir, t+exeSuffix)
		if t == "go" {
			to = filepath.Join(b.dir, "bin", t+exeSuffix)
		}
		if err := os.Rename(filepath.Join(out, t+exeSuffix), to); err != nil {
			return err
		}
	}

	for _, dir := range []string{out, tmp} {
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	b.progress.done("built %s", strings.Join(tools, ", "))

	return nil
}

// try asks the new go command for what it must know.
func (b *builder) try(ctx context.Context) error {
	path := filepath.Join(b.dir, "bin", "go"+exeSuffix)

	cmd := exec.CommandContext(ctx, path, "version")
	cmd.Env = cleanEnv("GOENV=off", "GOWORK=off")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), b.version()) {
		return fmt.Errorf("the new go command says %q (%v), want %s", lastLine(string(out)), err, b.version())
	}

	return validateTamago(ctx, path)
}

// validateTamago tells whether a go command knows GOOS=tamago.
func validateTamago(ctx context.Context, path string) error {
	if !filepath.IsAbs(path) {
		return fmt.Errorf("TAMAGO=%s is not an absolute path of a go command", path)
	}

	cmd := exec.CommandContext(ctx, path, "list", "-find", "-f", "{{.ImportPath}}", "runtime/goos")
	cmd.Dir = os.TempDir()
	cmd.Env = cleanEnv("GOOS=tamago", "GOARCH=arm", "GOENV=off", "GOWORK=off", "GOTOOLCHAIN=local", "GOOSPKG=")

	out, err := cmd.CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "runtime/goos" {
		msg := lastLine(string(out))
		if err != nil {
			msg += " (" + err.Error() + ")"
		}
		return fmt.Errorf("%s is not a go command that knows GOOS=tamago: %s", path, msg)
	}

	return nil
}
