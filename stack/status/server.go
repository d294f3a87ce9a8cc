package status

import (
	"bytes"
	"encoding/json"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"sync"
	"time"
)

// Limits of the server. They are choices: a page for a few people and one scraper must not take the heap of a gateway.
const (
	maxConns       = 16
	maxHeaderBytes = 8 << 10
	requestTimeout = 10 * time.Second
	idleTimeout    = 30 * time.Second
)

// A Route is what an image serves beside the page: a pattern of http.ServeMux and its handler.
type Route struct {
	Pattern string
	Handler http.Handler
}

// Serve serves the page, and more, on l until l is closed.
func Serve(l net.Listener, source Source, more ...Route) error {
	server := &http.Server{
		Handler:           Handler(source, more...),
		ReadHeaderTimeout: requestTimeout,
		ReadTimeout:       requestTimeout,
		WriteTimeout:      requestTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
	}
	return server.Serve(limit(l, maxConns))
}

// Handler serves /, /metrics and /api/status, and more.
func Handler(source Source, more ...Route) http.Handler {
	var text prometheus
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, source, "text/html; charset=utf-8", appendPage)
	})
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, source, "text/plain; version=0.0.4; charset=utf-8", text.append)
	})
	mux.HandleFunc("GET /api/status", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, source, "application/json", appendJSON)
	})
	for _, r := range more {
		mux.Handle(r.Pattern, r.Handler)
	}
	return mux
}

// appendJSON appends s for programs to b.
func appendJSON(b []byte, s *Status) []byte {
	w := bytes.NewBuffer(b)
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	_ = enc.Encode(s) // strings and numbers only, which it cannot refuse
	return w.Bytes()
}

// buffers holds the bodies of replies for the next ones: there are at most maxConns at a time.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// reply writes a body that is complete before the first byte leaves, so that a client that reads slowly holds no lock and
// the body needs no chunks. An error means that the client is gone: there is nobody to tell. Other goroutines get the
// processor between the steps: frames that have come meanwhile are not kept waiting for all of them.
func reply(w http.ResponseWriter, source Source, contentType string, body func(b []byte, s *Status) []byte) {
	s := source()
	runtime.Gosched()
	b := buffers.Get().(*[]byte)
	*b = body((*b)[:0], s)
	runtime.Gosched()
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(*b)))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(*b)
	buffers.Put(b)
}

// limit returns l with at most n connections open: further ones wait in the listener's queue.
func limit(l net.Listener, n int) net.Listener {
	return &limited{Listener: l, free: make(chan struct{}, n), done: make(chan struct{})}
}

type limited struct {
	net.Listener
	free chan struct{} // an element for each open connection
	done chan struct{}
	once sync.Once
}

func (l *limited) Accept() (net.Conn, error) {
	select {
	case l.free <- struct{}{}:
	case <-l.done:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.free
		return nil, err
	}
	return &limitedConn{Conn: c, release: sync.OnceFunc(func() { <-l.free })}, nil
}

func (l *limited) Close() error {
	l.once.Do(func() { close(l.done) })
	return l.Listener.Close()
}

type limitedConn struct {
	net.Conn
	release func()
}

func (c *limitedConn) Close() error {
	defer c.release()
	return c.Conn.Close()
}
