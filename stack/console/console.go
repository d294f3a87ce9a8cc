// Package console runs commands that a person types, a line each. It knows no terminal: who has one gives lines and takes
// text.
//
// Stage: in-band. Does not support: quoting, history, editing of a line.
package console

import (
	"fmt"
	"io"
	"strings"
)

// Command is one command. A verb of several words, "oob restart", is matched word by word.
type Command struct {
	Verb string
	Help string
	Run  func(w io.Writer, args []string) error
}

// Console is a set of commands.
type Console struct{ commands []Command }

// New returns a console with the commands given, and help.
func New(commands ...Command) *Console {
	c := &Console{commands: commands}
	c.commands = append(c.commands, Command{Verb: "help", Help: "these lines", Run: c.help})
	return c
}

// Serve runs the lines that read returns, for ever.
func (c *Console) Serve(read func() string, w io.Writer) {
	for {
		c.Do(w, read())
	}
}

// Do runs one line. What is wrong with it, or with what it did, is written to w.
func (c *Console) Do(w io.Writer, line string) {
	words := strings.Fields(line)
	if len(words) == 0 {
		return
	}
	for i := range c.commands {
		verb := strings.Fields(c.commands[i].Verb)
		if len(words) < len(verb) || strings.Join(words[:len(verb)], " ") != c.commands[i].Verb {
			continue
		}
		if err := c.commands[i].Run(w, words[len(verb):]); err != nil {
			fmt.Fprintf(w, "%s: %v\n", c.commands[i].Verb, err)
		}
		return
	}
	fmt.Fprintf(w, "%q: no such command; help lists them\n", line)
}

func (c *Console) help(w io.Writer, _ []string) error {
	for _, command := range c.commands {
		if _, err := fmt.Fprintf(w, "%-14s %s\n", command.Verb, command.Help); err != nil {
			return err
		}
	}
	return nil
}
