package status

import (
	"encoding/json"
	"net"
	"net/http"
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

// Serve serves the page on l until l is closed.
func Serve(l net.Listener, source Source) error {
	server := &http.Server{
		Handler:           Handler(source),
		ReadHeaderTimeout: requestTimeout,
		ReadTimeout:       requestTimeout,
		WriteTimeout:      requestTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
	}
	return server.Serve(limit(l, maxConns))
}

// Handler serves /, /metrics and /api/status.
func Handler(source Source) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, "text/html; charset=utf-8", func() error { return writePage(w, source()) })
	})
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, "text/plain; version=0.0.4; charset=utf-8", func() error { return writeMetrics(w, source()) })
	})
	mux.HandleFunc("GET /api/status", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, "application/json", func() error {
			enc := json.NewEncoder(w)
			enc.SetIndent("", "  ")
			return enc.Encode(source())
		})
	})
	return mux
}

// reply sets the headers and writes the body. An error means that the client is gone: there is nobody to tell.
func reply(w http.ResponseWriter, contentType string, body func() error) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	_ = body()
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
