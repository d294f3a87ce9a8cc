package files

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/u-root/u-root/pkg/core"
	"github.com/u-root/u-root/pkg/core/base64"
	"github.com/u-root/u-root/pkg/core/cat"
	"github.com/u-root/u-root/pkg/core/shasum"

	"mortise/stack/console"
)

// MaxOutput is what a command may print, in bytes: a minute and a half at 115,200 baud.
const MaxOutput = 1 << 20

// Commands are the console's commands on the tree: u-root's, and ls, whose package there does not build for tamago.
func (t *Tree) Commands() []console.Command {
	return []console.Command{
		{Verb: "ls", Help: "[FOLDER…]: what is kept there, with sizes in bytes", Run: t.ls},
		{Verb: "cat", Help: "FILE…: shows files", Run: t.run(cat.New)},
		{Verb: "shasum", Help: "[-a 1|256|512] FILE…: their checksums", Run: t.run(shasum.New)},
		{Verb: "base64", Help: "FILE: shows it so that a terminal can keep it", Run: t.run(base64.New)},
	}
}

// run makes a console command of one of u-root's.
func (t *Tree) run(command func() core.Command) func(io.Writer, []string) error {
	return func(w io.Writer, args []string) error {
		if err := t.Refresh(); err != nil {
			return err
		}
		args, err := t.paths(args)
		if err != nil {
			return err
		}
		out := &bounded{w: w, left: MaxOutput, last: '\n'}
		c := command()
		c.SetIO(strings.NewReader(""), out, out)
		c.SetWorkingDir(t.root)
		c.SetLookupEnv(func(string) (string, bool) { return "", false })
		err = c.Run(args...)
		if out.last != '\n' {
			fmt.Fprintln(w)
		}
		if out.left < 0 {
			return fmt.Errorf("more than %d bytes: the rest is left out", MaxOutput)
		}
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
}

// paths has each path of the tree be what it is in os's file system, and refuses what is there besides. Options, and words
// that lead to nothing, stay.
func (t *Tree) paths(args []string) ([]string, error) {
	var list []string
	for _, a := range args {
		if strings.HasPrefix(a, "-") {
			list = append(list, a)
			continue
		}
		name, ours := t.name(a), t.holds(a)
		if _, err := os.Lstat(name); !ours && err == nil {
			return nil, fmt.Errorf("%s: %w", a, errNotOurs)
		}
		if ours || strings.HasPrefix(a, "/") {
			a = name
		}
		list = append(list, a)
	}
	return list, nil
}

func (t *Tree) ls(w io.Writer, args []string) error {
	if err := t.Refresh(); err != nil {
		return err
	}
	if len(args) == 0 {
		args = []string{"/"}
	}
	for _, p := range args {
		_, info, err := t.find(p)
		if err != nil {
			return err
		}
		if !info.IsDir() {
			fmt.Fprintf(w, "%8d %s\n", info.Size(), p)
			continue
		}
		if len(args) > 1 {
			fmt.Fprintf(w, "%s:\n", p)
		}
		list, err := t.list(p)
		if err != nil {
			return err
		}
		for _, e := range list {
			info, err := e.Info()
			if err != nil {
				continue // taken away since
			}
			if info.IsDir() {
				fmt.Fprintf(w, "%8s %s/\n", "", e.Name())
			} else {
				fmt.Fprintf(w, "%8d %s\n", info.Size(), e.Name())
			}
		}
	}
	return nil
}

// bounded passes on what there is room for, and remembers how it ended.
type bounded struct {
	w    io.Writer
	left int // negative when there was more
	last byte
}

var errFull = errors.New("too much")

func (b *bounded) Write(text []byte) (int, error) {
	if b.left < 0 || len(text) > b.left {
		b.left = -1
		return 0, errFull
	}
	b.left -= len(text)
	if len(text) > 0 {
		b.last = text[len(text)-1]
	}
	return b.w.Write(text)
}
