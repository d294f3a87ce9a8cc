package status

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"path"
	"strings"
	"time"
)

//go:embed page.html
var pageHTML string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"duration": duration,
	"bytes":    size,
	"number":   number,
	"base":     path.Base,
	"words":    func(s string) string { return strings.ReplaceAll(s, "_", " ") },
	"pc":       func(pc uint32) string { return fmt.Sprintf("0x%08x", pc) },
}).Parse(pageHTML))

// writePage writes the page for people. It is written at once, so that a client that reads slowly holds no lock.
func writePage(w io.Writer, s *Status) error {
	var b bytes.Buffer
	if err := page.Execute(&b, s); err != nil {
		return fmt.Errorf("status page: %w", err)
	}
	_, err := w.Write(b.Bytes())
	return err
}

// duration shows d to three digits, or as days, hours, minutes and seconds.
func duration(d time.Duration) string {
	switch {
	case d < time.Microsecond:
		return fmt.Sprintf("%d ns", d.Nanoseconds())
	case d < time.Millisecond:
		return fmt.Sprintf("%.3g µs", float64(d)/float64(time.Microsecond))
	case d < time.Second:
		return fmt.Sprintf("%.3g ms", float64(d)/float64(time.Millisecond))
	}
	d = d.Truncate(time.Second)
	if d < 24*time.Hour {
		return d.String()
	}
	return fmt.Sprintf("%dd %s", d/(24*time.Hour), d%(24*time.Hour))
}

// size shows a number of bytes.
func size(n uint64) string {
	switch v := float64(n); {
	case v < 1<<10:
		return fmt.Sprintf("%d B", n)
	case v < 1<<20:
		return fmt.Sprintf("%.1f KiB", v/(1<<10))
	default:
		return fmt.Sprintf("%.1f MiB", v/(1<<20))
	}
}

// number groups the digits of n by three.
func number(n uint64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + " " + s[i:] // a thin space that does not break
	}
	return s
}
