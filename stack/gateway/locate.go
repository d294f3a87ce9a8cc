package gateway

import (
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"
)

// position is where a key or an array's element begins.
type position struct {
	line   int // from 1
	offset int // bytes, from 0
}

// place names a value by its path: once unmistakably, once for people.
type place struct {
	key, field string
}

func (p place) child(key string) place {
	field := key
	if !isBare(key) {
		field = strconv.QuoteToASCII(key)
	}
	if p.field != "" {
		field = p.field + "." + field
	}
	return place{p.key + "\x00k" + strconv.Itoa(len(key)) + ":" + key, field}
}

func (p place) element(i int) place {
	n := strconv.Itoa(i)
	return place{p.key + "\x00e" + n, p.field + "[" + n + "]"}
}

func isBare(key string) bool {
	for i := 0; i < len(key); i++ {
		if !isBareByte(key[i]) {
			return false
		}
	}
	return key != ""
}

func isBareByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_'
}

// locate returns the position of every key and array element of text, by place. The text is valid TOML: the decoder has
// accepted it. Of other text it returns some positions, and ends.
func locate(text string) map[string]position {
	l := &locator{text: text, line: 1, at: map[string]position{}, tables: map[string]int{}}
	var table place
	for l.skip("\n"); l.more(); l.skip("\n") {
		before := l.pos
		if l.text[l.pos] == '[' {
			table = l.header()
		} else {
			l.pair(table)
		}
		if l.pos == before {
			l.next() // not TOML: go on
		}
	}
	return l.at
}

type locator struct {
	text      string
	pos, line int
	at        map[string]position
	tables    map[string]int // length of each array of tables, by place
}

func (l *locator) more() bool { return l.pos < len(l.text) }

// next consumes a byte.
func (l *locator) next() {
	if l.text[l.pos] == '\n' {
		l.line++
	}
	l.pos++
}

// peek reports whether s comes next.
func (l *locator) peek(s string) bool { return strings.HasPrefix(l.text[l.pos:], s) }

// accept consumes s if it comes next, and reports whether it did.
func (l *locator) accept(s string) bool {
	if !l.peek(s) {
		return false
	}
	for range len(s) {
		l.next()
	}
	return true
}

// skip consumes blanks, comments and the bytes in also.
func (l *locator) skip(also string) {
	for l.more() {
		switch c := l.text[l.pos]; {
		case c == '#':
			for l.more() && l.text[l.pos] != '\n' {
				l.next()
			}
		case c == ' ', c == '\t', c == '\r', strings.IndexByte(also, c) >= 0:
			l.next()
		default:
			return
		}
	}
}

// mark records that p begins at pos, the first time.
func (l *locator) mark(p place, pos position) {
	if _, known := l.at[p.key]; !known {
		l.at[p.key] = pos
	}
}

func (l *locator) here() position { return position{l.line, l.pos} }

// header consumes "[a.b]" or "[[a.b]]" and returns the table it opens.
func (l *locator) header() place {
	start := l.here()
	l.accept("[")
	array := l.accept("[")
	var p place
	keys := l.keys()
	for i, k := range keys {
		p = p.child(k)
		l.mark(p, start)
		last := i == len(keys)-1
		if n, ok := l.tables[p.key]; ok && !last {
			p = p.element(n - 1) // the path goes through the newest element
		}
		if last && array {
			n := l.tables[p.key]
			l.tables[p.key] = n + 1
			p = p.element(n)
			l.mark(p, start)
		}
	}
	l.skip("")
	l.accept("]")
	if array {
		l.accept("]")
	}
	return p
}

// pair consumes "a.b = value" in table.
func (l *locator) pair(table place) {
	start := l.here()
	p := table
	for _, k := range l.keys() {
		p = p.child(k)
		l.mark(p, start)
	}
	l.skip("")
	l.accept("=")
	l.value(p)
}

// keys consumes a dotted key.
func (l *locator) keys() (keys []string) {
	for {
		l.skip("")
		start := l.pos
		switch {
		case l.peek(`"`), l.peek(`'`):
			l.quoted()
			keys = append(keys, unquote(l.text[start:l.pos]))
		default:
			for l.more() && isBareByte(l.text[l.pos]) {
				l.next()
			}
			keys = append(keys, l.text[start:l.pos])
		}
		l.skip("")
		if !l.accept(".") {
			return keys
		}
	}
}

// unquote returns what a quoted key stands for, by TOML's own rules.
func unquote(s string) string {
	var v struct{ K string }
	if _, err := toml.Decode("K = "+s, &v); err != nil {
		return s
	}
	return v.K
}

// quoted consumes a string of any of the four kinds.
func (l *locator) quoted() {
	quote := l.text[l.pos : l.pos+1]
	escapes := quote == `"`
	long := l.accept(strings.Repeat(quote, 3))
	if !long {
		l.accept(quote)
	}
	for l.more() {
		switch {
		case escapes && l.peek(`\`):
			l.next()
			if l.more() {
				l.next()
			}
		case long && l.accept(strings.Repeat(quote, 3)):
			// Up to two quotes may stand in front of the closing three.
			for range 2 {
				l.accept(quote)
			}
			return
		case !long && l.accept(quote):
			return
		default:
			l.next()
		}
	}
}

// value consumes the value at p.
func (l *locator) value(p place) {
	l.skip("")
	switch {
	case !l.more():
	case l.peek(`"`), l.peek(`'`):
		l.quoted()
	case l.accept("["):
		l.array(p)
	case l.accept("{"):
		l.inlineTable(p)
	default:
		for l.more() && strings.IndexByte(",]}\n#", l.text[l.pos]) < 0 {
			l.next()
		}
	}
}

func (l *locator) array(p place) {
	for i := 0; ; i++ {
		if l.skip("\n,"); !l.more() || l.accept("]") {
			return
		}
		before := l.pos
		l.mark(p.element(i), l.here())
		l.value(p.element(i))
		if l.pos == before {
			l.next() // not TOML: go on
		}
	}
}

func (l *locator) inlineTable(p place) {
	for {
		if l.skip("\n,"); !l.more() || l.accept("}") {
			return
		}
		before := l.pos
		l.pair(p)
		if l.pos == before {
			l.next() // not TOML: go on
		}
	}
}
