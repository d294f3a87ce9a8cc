package files_test

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mortise/stack/console"
	"mortise/stack/files"
)

// FuzzPaths: no path and no words lead to what is not the tree's, or change anything.
func FuzzPaths(f *testing.F) {
	for _, s := range []string{
		"/log/boot", "log/../dev/secret", "/../dev/secret", "dev/secret", "//dev//secret", "-a 256 /crash", "-- /dev/secret", "-d /dev/secret", ".",
		"/", "..", "- /log/./boot", "log/", "-a /dev/secret", "-h", "\x00", "/log/boot/x",
	} {
		f.Add(s)
	}
	const secret = "what nobody may read"
	root := f.TempDir()
	for _, dir := range []string{"dev", "outside"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			f.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, dir, "secret"), []byte(secret), 0o644); err != nil {
			f.Fatal(err)
		}
	}
	tree, err := files.New(root, []string{"/captures"},
		files.Source{Path: "/log/boot", Text: func() []byte { return []byte("started\n") }},
		files.Source{Path: "/crash", Text: func() []byte { return nil }})
	if err != nil {
		f.Fatal(err)
	}
	c, h := console.New(tree.Commands()...), tree.Handler()
	f.Fuzz(func(t *testing.T, words string) {
		if strings.Contains(words, "nobody") || strings.Contains(words, "secret\n") {
			return // an error repeats it
		}
		for _, verb := range []string{"cat", "base64", "ls"} {
			var out strings.Builder
			c.Do(&out, verb+" "+words)
			for _, leak := range []string{secret, "d2hhdCBub2JvZHk", " secret\n"} { // as it is, by base64, in a list
				if strings.Contains(out.String(), leak) {
					t.Fatalf("%s %q: %s", verb, words, out.String())
				}
			}
		}
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", files.Path, nil)
		r.URL.Path = files.Path + words
		h.ServeHTTP(w, r)
		if strings.Contains(w.Body.String(), secret) || w.Code >= 500 {
			t.Fatalf("%q: %d %s", words, w.Code, w.Body)
		}
		for _, dir := range []string{"", "dev", "outside", "captures"} {
			list, err := os.ReadDir(filepath.Join(root, dir))
			want := map[string]int{"": 5, "dev": 1, "outside": 1, "captures": 0}[dir]
			if err != nil || len(list) != want {
				t.Fatalf("%q: folder %q has %d entries, want %d", words, dir, len(list), want)
			}
		}
	})
}
