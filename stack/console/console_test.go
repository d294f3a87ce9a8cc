package console_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"mortise/stack/console"
)

func TestDo(t *testing.T) {
	c := console.New(
		console.Command{Verb: "oob status", Help: "how it is", Run: func(w io.Writer, args []string) error {
			_, err := fmt.Fprintf(w, "fine %q\n", args)
			return err
		}},
		console.Command{Verb: "oob stop", Help: "stop it", Run: func(io.Writer, []string) error {
			return errors.New("it is down")
		}},
	)
	for line, want := range map[string]string{
		"":                  "",
		"  ":                "",
		"oob status":        "fine []\n",
		" oob\tstatus  a b": `fine ["a" "b"]` + "\n",
		"oob stop":          "oob stop: it is down\n",
		"oob":               `"oob": no such command; help lists them` + "\n",
		"oob statusx":       `"oob statusx": no such command; help lists them` + "\n",
		"\x1b[A":            `"\x1b[A": no such command; help lists them` + "\n",
		"help":              "oob status     how it is\noob stop       stop it\nhelp           these lines\n",
	} {
		var b strings.Builder
		c.Do(&b, line)
		if got := b.String(); got != want {
			t.Errorf("%q = %q, want %q", line, got, want)
		}
	}
}
