package gateway

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
)

// node is a value of the file with its place: TOML's decoder gives values without lines, locate the lines.
type node struct {
	key   string // of the value in its table; "": the root or an element of an array
	field string // the whole path, as errors show it
	line  int
	order int // the byte it begins at
	value any
	kids  []*node // of a table, in the order of the file; of an array
}

// newNode builds the tree under value.
func newNode(key string, path place, value any, at map[string]position) *node {
	pos := at[path.key]
	n := &node{key: key, field: path.field, line: pos.line, order: pos.offset, value: value}
	switch v := value.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			n.kids = append(n.kids, newNode(k, path.child(k), v[k], at))
		}
		slices.SortStableFunc(n.kids, func(a, b *node) int { return a.order - b.order })
	case []map[string]any:
		for i, e := range v {
			n.kids = append(n.kids, newNode("", path.element(i), e, at))
		}
	case []any:
		for i, e := range v {
			n.kids = append(n.kids, newNode("", path.element(i), e, at))
		}
	}
	return n
}

func (n *node) isTable() bool {
	_, ok := n.value.(map[string]any)
	return ok
}

func (n *node) isArray() bool {
	switch n.value.(type) {
	case []any, []map[string]any:
		return true
	}
	return false
}

// maxShown is how much of a value an error shows, in bytes.
const maxShown = 60

// String shows the value as errors do.
func (n *node) String() string {
	switch v := n.value.(type) {
	case string:
		if len(v) > maxShown {
			return strconv.QuoteToASCII(v[:maxShown]) + "…"
		}
		return strconv.QuoteToASCII(v)
	case map[string]any:
		return "a table"
	case []any, []map[string]any:
		return "an array"
	case time.Time:
		return "a date or time"
	}
	return fmt.Sprint(n.value)
}

// parseTree reads TOML text into a tree. What the text is not is returned as the one error that the decoder stops at.
func parseTree(file string, data []byte) (*node, *Error) {
	var root map[string]any
	if _, err := toml.Decode(string(data), &root); err != nil {
		return nil, syntaxError(file, string(data), err)
	}
	if root == nil {
		root = map[string]any{}
	}
	n := newNode("", place{}, root, locate(string(data)))
	n.line = 1
	return n, nil
}

// syntaxError is what the decoder says about text that is not TOML. Its line is counted from the offset that the decoder
// gives: of a line that ends too early the decoder names the next.
func syntaxError(file, text string, err error) *Error {
	e := &Error{File: file, Line: 1, Want: "not TOML: " + err.Error()}
	if parse, ok := err.(toml.ParseError); ok {
		start := min(max(parse.Position.Start, 0), len(text))
		e.Line += strings.Count(text[:start], "\n")
		e.Want = "not TOML: " + parse.Message
		if parse.LastKey != "" {
			e.Want += fmt.Sprintf(" (after %q)", parse.LastKey)
		}
	}
	return e
}
