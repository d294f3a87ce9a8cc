// Command toolchain prepares a Go distribution that knows GOOS=tamago and
// prints the path of its go command:
//
//	TAMAGO_GO=$(go run ./tools/toolchain)
//
// It takes the stock Go release that go.mod names, adds the port in _port,
// rebuilds the go command, the compiler, the assembler and the linker, and
// keeps the result in the user's cache. With TAMAGO=/path/to/bin/go it uses
// that distribution instead. See docs/toolchain.md.
//
// It is a host tool and needs the standard library only.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

type options struct {
	quiet    bool
	where    bool
	clean    bool
	assemble string
	mod      string
}

func main() {
	var o options

	flag.BoolVar(&o.quiet, "q", false, "print no progress")
	flag.BoolVar(&o.where, "where", false, "print the path of the distribution's folder, build nothing")
	flag.BoolVar(&o.clean, "clean", false, "remove all distributions and the tools' build cache")
	flag.StringVar(&o.assemble, "assemble", "", "write the sources with the port to `dir`, build nothing")
	flag.StringVar(&o.mod, "mod", "", "the go.mod that names the Go release (default: the one above the working directory)")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	if err := run(ctx, o, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintf(os.Stderr, "toolchain: %s\n", oneLine(ctx, err))
		os.Exit(1)
	}
}

func run(ctx context.Context, o options, stdout, stderr io.Writer) error {
	if o.quiet {
		stderr = io.Discard
	}

	if path := os.Getenv("TAMAGO"); path != "" && !o.clean && !o.where && o.assemble == "" {
		if err := validateTamago(ctx, path); err != nil {
			return err
		}
		fmt.Fprintln(stdout, path)
		return nil
	}

	base, err := cacheDir()
	if err != nil {
		return err
	}

	if o.clean {
		return (&store{dir: base}).clean()
	}

	p, err := loadPort()
	if err != nil {
		return err
	}

	mod := o.mod
	if mod == "" {
		if mod, err = findGoMod(); err != nil {
			return err
		}
	}

	version, err := goVersion(mod)
	if err != nil {
		return err
	}

	rel, err := findRelease(ctx, version, stderr)
	if err != nil {
		return err
	}

	if o.assemble != "" {
		b := builder{port: p, release: rel, dir: o.assemble, progress: newProgress(stderr)}
		return b.assemble(ctx)
	}

	key, err := cacheKey(p, rel)
	if err != nil {
		return err
	}

	s := &store{dir: base}
	if o.where {
		fmt.Fprintln(stdout, s.path(key))
		return nil
	}

	dir, err := s.get(ctx, key, stderr, func(ctx context.Context, tmp string) error {
		b := builder{port: p, release: rel, dir: tmp, cache: filepath.Join(base, "build"), progress: newProgress(stderr)}
		return b.run(ctx)
	})
	if err != nil {
		return err
	}

	fmt.Fprintln(stdout, filepath.Join(dir, "bin", "go"+exeSuffix))

	return nil
}

// oneLine says in one line what went wrong, and what to do about it where
// that is known.
func oneLine(ctx context.Context, err error) string {
	text := err.Error()

	switch {
	case ctx.Err() != nil:
		return "interrupted, nothing kept"
	case errors.Is(err, syscall.ENOSPC) || strings.Contains(text, "no space left on device") || strings.Contains(text, "disk quota exceeded"):
		base, _ := cacheDir()
		return fmt.Sprintf("disk full below %s: a build needs %d MB there; free some or set MORTISE_CACHE (%s)", base, needMB, firstLine(text))
	default:
		return strings.Join(strings.Fields(text), " ")
	}
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return line
}

// progress prints the steps of a build with their times.
type progress struct {
	w     io.Writer
	start time.Time
	last  time.Time
}

func newProgress(w io.Writer) *progress {
	now := time.Now()
	return &progress{w, now, now}
}

// done reports that a step has ended.
func (p *progress) done(format string, args ...any) {
	now := time.Now()
	fmt.Fprintf(p.w, "toolchain: %-64s %6.1f s\n", fmt.Sprintf(format, args...), now.Sub(p.last).Seconds())
	p.last = now
}
