package files

import (
	"errors"
	"fmt"
	"html"
	"io/fs"
	"net/http"
	"os"
	"path"
	"strconv"
	"strings"
)

// Path is where Handler serves.
const Path = "/files/"

// Handler serves the tree, read-only: files as they are, folders as a list of links.
func (t *Tree) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "files are read only", http.StatusMethodNotAllowed)
			return
		}
		p := path.Clean("/" + strings.TrimPrefix(r.URL.Path, Path))
		body, kind, err := t.body(p)
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, errNotOurs):
			http.Error(w, p+": no such file", http.StatusNotFound)
			return
		case err != nil:
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		h := w.Header()
		h.Set("Content-Type", kind)
		h.Set("Content-Length", strconv.Itoa(len(body)))
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		_, _ = w.Write(body) // an error means that the client is gone
	})
}

// body returns what a path shows, and its type.
func (t *Tree) body(p string) ([]byte, string, error) {
	if err := t.Refresh(); err != nil {
		return nil, "", err
	}
	name, info, err := t.find(p)
	if err != nil {
		return nil, "", err
	}
	if info.IsDir() {
		body, err := t.page(p)
		return body, "text/html; charset=utf-8", err
	}
	body, err := os.ReadFile(name)
	kind := "text/plain; charset=utf-8"
	if strings.HasPrefix(p, "/filters/") || strings.HasPrefix(p, "/captures/") {
		kind = "application/octet-stream"
	}
	return body, kind, err
}

// page lists a folder. Its links are absolute: a folder is served with and without a slash behind it.
func (t *Tree) page(p string) ([]byte, error) {
	list, err := t.list(p)
	b := fmt.Appendf(nil, "<!doctype html><title>%[1]s</title><h1>%[1]s</h1><ul>\n", html.EscapeString(p))
	for _, e := range list {
		at := html.EscapeString(path.Join(Path, p, e.Name()))
		b = fmt.Appendf(b, "<li><a href=\"%s\">%s</a>\n", at, html.EscapeString(e.Name()))
	}
	return append(b, "</ul>\n"...), err
}
