package gateway

import (
	"fmt"
	"slices"
	"strings"
)

// Error is one thing that is wrong with a configuration file.
type Error struct {
	File  string // "": it came from no file
	Line  int    // from 1; counts with File only; 0: no line of the file is to blame
	Field string // "device.rt0.address"; "": the file as a whole
	Found string // the value in the file, or "nothing"; "": the value does not matter
	Want  string // what was expected, or why the field is refused
}

func (e *Error) Error() string {
	var b strings.Builder
	if e.File != "" {
		b.WriteString(e.File)
		if e.Line > 0 {
			fmt.Fprintf(&b, ":%d", e.Line)
		}
		b.WriteString(": ")
	}
	if e.Field != "" {
		b.WriteString(e.Field + ": ")
	}
	if e.Found != "" {
		b.WriteString("found " + e.Found + ", ")
	}
	b.WriteString(e.Want)
	return b.String()
}

// Errors are all the things that are wrong with a configuration file, by line.
type Errors []*Error

func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, one := range e {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the single errors.
func (e Errors) Unwrap() []error {
	out := make([]error, len(e))
	for i, one := range e {
		out[i] = one
	}
	return out
}

func (e Errors) sort() {
	slices.SortStableFunc(e, func(a, b *Error) int { return a.Line - b.Line })
}
