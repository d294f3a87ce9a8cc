package gateway

import (
	"fmt"
	"slices"
	"strings"
)

// reader collects the errors of one file.
type reader struct {
	file  string
	board *Board
	files func(name string) ([]byte, error) // nil: there are none
	errs  Errors
}

// fail records that n is not what was expected.
func (r *reader) fail(n *node, format string, args ...any) {
	r.errs = append(r.errs, &Error{
		File: r.file, Line: n.line, Field: n.field, Found: n.String(), Want: "expected " + fmt.Sprintf(format, args...),
	})
}

// refuse records what is wrong with n whatever its value.
func (r *reader) refuse(n *node, format string, args ...any) {
	r.errs = append(r.errs, &Error{File: r.file, Line: n.line, Field: n.field, Want: fmt.Sprintf(format, args...)})
}

// table reads the fields of a table: each is asked for by name, and what nobody asked for is an error.
type table struct {
	r       *reader
	n       *node
	asked   []string
	planned map[string]string // fields of the design that do not exist yet: what they are for
}

// table returns the reader of n's fields, nil when n is no table.
func (r *reader) table(n *node, planned map[string]string) *table {
	if n == nil {
		return nil
	}
	if !n.isTable() {
		r.fail(n, "a table")
		return nil
	}
	return &table{r: r, n: n, planned: planned}
}

// get returns the node of a field, nil when it is not there.
func (t *table) get(key string) *node {
	if t == nil {
		return nil
	}
	t.asked = append(t.asked, key)
	for _, k := range t.n.kids {
		if k.key == key {
			return k
		}
	}
	return nil
}

// need is get for a field that must be there.
func (t *table) need(key, want string) *node {
	n := t.get(key)
	if n == nil && t != nil {
		t.missing(key, want)
	}
	return n
}

func (t *table) missing(key, want string) {
	field := key
	if t.n.field != "" {
		field = t.n.field + "." + key
	}
	t.r.errs = append(t.r.errs, &Error{
		File: t.r.file, Line: t.n.line, Field: field, Found: "nothing", Want: "expected " + want,
	})
}

// done reports the fields that nobody asked for.
func (t *table) done() {
	if t == nil {
		return
	}
	for _, k := range t.n.kids {
		if slices.Contains(t.asked, k.key) {
			continue
		}
		if what, ok := t.planned[k.key]; ok {
			t.r.refuse(k, "not supported yet: %s (docs/config.md, Planned)", what)
			continue
		}
		t.r.refuse(k, "unknown field: expected one of %s", strings.Join(slices.Compact(slices.Sorted(slices.Values(t.asked))), ", "))
	}
}

// text returns the string at n; ok is false, and the error recorded, when it is none.
func (r *reader) text(n *node, want string) (s string, ok bool) {
	if s, ok = n.value.(string); !ok {
		r.fail(n, "%s", want)
	}
	return s, ok
}

// flag returns the boolean at n, def when there is none.
func (r *reader) flag(n *node, def bool) bool {
	if n == nil {
		return def
	}
	b, ok := n.value.(bool)
	if !ok {
		r.fail(n, "true or false")
	}
	return b
}

// number returns the number at n, def when there is none or it is wrong.
func (r *reader) number(n *node, what string, least, most, def int) int {
	if n == nil {
		return def
	}
	v, ok := n.value.(int64)
	if !ok || v < int64(least) || v > int64(most) {
		r.fail(n, "%s, %d to %d", what, least, most)
		return def
	}
	return int(v)
}

const wantPort = "a port number, 1 to 65535"

// port returns the port number at n, 0 when there is none or it is wrong.
func (r *reader) port(n *node) uint16 {
	if n == nil {
		return 0
	}
	v, ok := n.value.(int64)
	if !ok || v < 1 || v > 65535 {
		r.fail(n, wantPort)
		return 0
	}
	return uint16(v)
}
