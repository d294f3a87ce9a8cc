//go:build tamago

package main

import (
	"errors"
	"fmt"
	"path"
	"sync"
	"time"

	"mortise/board/mx6ullevk"
	"mortise/stack/files"
	"mortise/stack/files/transcript"
	"mortise/stack/task"
)

// oobLog is what the oob tasks and the stage have said.
var oobLog struct {
	sync.Mutex
	transcript.Text
}

// In bytes: some two hundred lines.
const oobLogLimit = 16 << 10

// keepFiles makes the files that the console's commands and the status page show.
func (g *gatewayImage) keepFiles() (err error) {
	oobLog.Last = make([]byte, oobLogLimit)
	go g.keepOobLog(task.Subscribe(oobLogWaiting, nil))
	g.files, err = files.New("/", []string{"/captures", "/filters"},
		files.Source{Path: "/log/boot", Text: mx6ullevk.Printed.Start},
		files.Source{Path: "/log/console", Text: mx6ullevk.Printed.Bytes},
		files.Source{Path: "/log/oob", Text: func() []byte {
			oobLog.Lock()
			defer oobLog.Unlock()
			return oobLog.Bytes()
		}},
		files.Source{Path: "/crash", Text: g.crashText},
		files.Source{Path: "/config/gateway.toml", Text: func() []byte { return *g.text.Load() }})
	if err != nil {
		return err
	}
	programs, err := bundle()
	for name, content := range programs {
		err = errors.Join(err, g.files.Put(filterFolder+path.Base(name), content))
	}
	return err
}

// Put keeps a file of a capture.
func (g *gatewayImage) Put(path string, text []byte) error { return g.files.Put(path, text) }

// Remove takes it away.
func (g *gatewayImage) Remove(path string) error { return g.files.Remove(path) }

// oobLogWaiting is how many events may wait for keepOobLog.
const oobLogWaiting = 64

// keepOobLog notes events for ever, each with the time since the start in seconds.
func (g *gatewayImage) keepOobLog(s *task.Subscription) {
	lost := uint64(0)
	for e := range s.C {
		oobLog.Lock()
		fmt.Fprintf(&oobLog, "%.3f %v\n", time.Since(g.started).Seconds(), e)
		if n := s.Lost() + uint64(task.LostNotices()); n > lost {
			fmt.Fprintf(&oobLog, "%d lines and events are lost\n", n-lost)
			lost = n
		}
		oobLog.Unlock()
	}
}

// crashText is what the run before left.
func (g *gatewayImage) crashText() []byte {
	if g.crash == nil {
		return []byte("nothing: the run before ended as it was asked to, or there was none since power came\n")
	}
	return []byte(g.crash.String())
}
