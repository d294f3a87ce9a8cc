package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// An edit replaces one passage of a file of the Go distribution. The passage
// must occur exactly once: an edit that no longer fits the release it is
// applied to must fail loudly, never land somewhere else.
type edit struct {
	file string // path in GOROOT, slash-separated
	name string // what the edit is for, from the edit file
	line int    // line of the edit file, for messages
	old  string
	new  string
}

// parseEdits reads an edit file:
//
//	# comment
//	file src/runtime/proc.go
//	edit the scheduler looks for relayed interrupts
//	<<<
//	old text
//	===
//	new text
//	>>>
//
// "file" holds until the next one. Each text ends with a newline, which takes
// part in the match, so that edits replace whole lines.
func parseEdits(source string, text []byte) ([]edit, error) {
	const (
		outside = iota
		inOld
		inNew
	)

	var (
		edits    []edit
		cur      edit
		file     string
		state    = outside
		old, new strings.Builder
	)

	for i, line := range strings.SplitAfter(string(text), "\n") {
		n := i + 1
		word := strings.TrimSuffix(line, "\n")

		switch {
		case state == inOld && word == "===":
			state = inNew
		case state == inOld:
			old.WriteString(line)
		case state == inNew && word == ">>>":
			cur.old, cur.new = old.String(), new.String()
			if cur.old == "" {
				return nil, fmt.Errorf("%s:%d: edit %q has an empty old text", source, cur.line, cur.name)
			}
			edits = append(edits, cur)
			cur = edit{}
			state = outside
		case state == inNew:
			new.WriteString(line)
		case word == "" || strings.HasPrefix(word, "#"):
		case strings.HasPrefix(word, "file "):
			file = strings.TrimSpace(strings.TrimPrefix(word, "file "))
		case strings.HasPrefix(word, "edit "):
			cur = edit{file: file, name: strings.TrimPrefix(word, "edit "), line: n}
		case word == "<<<":
			if cur.name == "" || cur.file == "" {
				return nil, fmt.Errorf("%s:%d: text without a \"file\" and an \"edit\" line before it", source, n)
			}
			old.Reset()
			new.Reset()
			state = inOld
		default:
			return nil, fmt.Errorf("%s:%d: unexpected line %q", source, n, word)
		}
	}

	if state != outside {
		return nil, fmt.Errorf("%s:%d: edit %q does not end", source, cur.line, cur.name)
	}

	return edits, nil
}

// apply returns text with the edit made.
func (e edit) apply(text []byte) ([]byte, error) {
	switch n := bytes.Count(text, []byte(e.old)); n {
	case 1:
		return bytes.Replace(text, []byte(e.old), []byte(e.new), 1), nil
	case 0:
		return nil, fmt.Errorf("%s: edit %q: its text is not there", e.file, e.name)
	default:
		return nil, fmt.Errorf("%s: edit %q: its text is there %d times, want once", e.file, e.name, n)
	}
}

// applyEdits makes all edits to the tree at root.
func applyEdits(root string, edits []edit) error {
	for _, e := range edits {
		path := filepath.Join(root, filepath.FromSlash(e.file))

		text, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("edit %q: %w", e.name, err)
		}

		if text, err = e.apply(text); err != nil {
			return err
		}

		if err := os.WriteFile(path, text, 0o644); err != nil {
			return fmt.Errorf("edit %q: %w", e.name, err)
		}
	}

	return nil
}
