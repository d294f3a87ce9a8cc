package gateway

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	"github.com/google/go-cmp/cmp"
)

func TestLocate(t *testing.T) {
	text := strings.Join([]string{
		/*  1 */ `# [not.a.table]`,
		/*  2 */ `a = 1 # b = 2`,
		/*  3 */ `"q\u0041.x" = "]"`,
		/*  4 */ `s = """`,
		/*  5 */ `n = 1 \"""`,
		/*  6 */ `"""""`,
		/*  7 */ `l = '''`,
		/*  8 */ `'' [x] '''`,
		/*  9 */ ``,
		/* 10 */ `[t.'u'] # c`,
		/* 11 */ `v.w = { x = 1, y.z = [ 1, # ] `,
		/* 12 */ `  { k = "}" },`,
		/* 13 */ `] }`,
		/* 14 */ `[[r]]`,
		/* 15 */ `[r.sub]`,
		/* 16 */ `k = 1`,
		/* 17 */ `[[r]]`,
		/* 18 */ `  [r.sub]`,
		/* 19 */ `  k = 1979-05-27 07:32:00`,
		/* 20 */ `[[r.deep]]`,
		/* 21 */ `k = 2`,
	}, "\n")
	root, syntax := parseTree("x", []byte(text))
	if syntax != nil {
		t.Fatal(syntax)
	}
	got := map[string]int{}
	walk(root, func(n *node) { got[n.field] = n.line })
	want := map[string]int{
		"": 1, "a": 2, `"qA.x"`: 3, "s": 4, "l": 7, "t": 10, "t.u": 10, "t.u.v": 11, "t.u.v.w": 11, "t.u.v.w.x": 11,
		"t.u.v.w.y": 11, "t.u.v.w.y.z": 11, "t.u.v.w.y.z[0]": 11, "t.u.v.w.y.z[1]": 12, "t.u.v.w.y.z[1].k": 12,
		"r": 14, "r[0]": 14, "r[0].sub": 15, "r[0].sub.k": 16, "r[1]": 17, "r[1].sub": 18, "r[1].sub.k": 19,
		"r[1].deep": 20, "r[1].deep[0]": 20, "r[1].deep[0].k": 21,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

func walk(n *node, f func(*node)) {
	f(n)
	for _, k := range n.kids {
		walk(k, f)
	}
}

// Whatever the text: no panic, an error has a line, and each value of a text that is TOML is found.
func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"../../gateway.toml", "testdata/errors/*.toml"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			f.Fatalf("%s: no files, %v", pattern, err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	board := &Board{Name: "b", Controllers: []Controller{{Name: "ENET1", OobCapable: true}, {Name: "ENET2"}}}
	f.Fuzz(func(t *testing.T, data []byte) {
		locate(string(data))
		lines := 1 + strings.Count(string(data), "\n")
		c, err := Parse("x", data, board)
		var errs Errors
		switch {
		case err == nil:
			if _, err := c.Tables([]byte("seed"), nil); err != nil && !strings.Contains(err.Error(), "same MAC") {
				t.Errorf("valid, but: %v", err)
			}
		case !errors.As(err, &errs) || len(errs) == 0:
			t.Errorf("Parse: an error of type %T", err)
		}
		for i, e := range errs {
			if e.Line < 1 || e.Line > lines || e.Want == "" || i > 0 && e.Line < errs[i-1].Line {
				t.Errorf("error %d of %d lines: %+v", i, lines, e)
			}
		}
		var v map[string]any
		if _, err := toml.Decode(string(data), &v); err != nil || v == nil {
			return
		}
		root, _ := parseTree("x", data)
		for _, k := range root.kids {
			walk(k, func(n *node) {
				if n.line == 0 {
					t.Errorf("%s: no line", n.field)
				}
			})
		}
	})
}
