package admin

import (
	"errors"
	"fmt"
	"time"

	"mortise/stack/capture"
	"mortise/stack/socket"
)

// Capture begins to keep a port's frames in a file: o.Port names it. Of an oob port these are all that come in on it, ahead of what
// decides on them, and those that in-band sends; of another one those that in-band receives and sends. What the oob stage sends is not
// among them. When the port is switched the capture ends.
func (a *Admin) Capture(o capture.Options) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.hooks.Captures == nil {
		return fmt.Errorf("capture %s: %w: there are none here", o.Name, ErrRefused)
	}
	p, err := a.port(o.Port)
	if err != nil {
		return fmt.Errorf("capture %s: %w", o.Name, err)
	}
	if p.loop {
		return fmt.Errorf("capture %s: %w: what goes by %s is no frame on its way, but handed from socket to socket", o.Name, ErrRefused, p.name)
	}
	return captured(a.hooks.Captures.Start(o, func(take capture.Take) ([]capture.Source, error) { return a.sources(p, take) }))
}

// sources opens what gives a port's frames.
func (a *Admin) sources(p *port, take capture.Take) (list []capture.Source, err error) {
	on := p.enabled.Load()
	if on {
		// At most a quarter of the pool waits for the capture: the rest is the port's.
		source, err := capture.Oob(p.id(), int(socket.PoolStats(p.index()).Size/4), a.time, take)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrRefused, err)
		}
		list = append(list, source)
	}
	if a.hooks.Tap == nil {
		return list, nil
	}
	remove, err := a.hooks.Tap(p.dev, p.vid, !on, func(b []byte) { take(time.Now(), b, len(b)) })
	if err != nil {
		for _, s := range list {
			_ = s.Close()
		}
		return nil, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return append(list, capture.Inband(remove)), nil
}

// StopCapture ends a capture; its file stays.
func (a *Admin) StopCapture(name string) error {
	if a.hooks.Captures == nil {
		return fmt.Errorf("capture %s: %w", name, ErrUnknown)
	}
	return captured(a.hooks.Captures.Stop(name))
}

// RemoveCapture ends a capture and takes its file away.
func (a *Admin) RemoveCapture(name string) error {
	if a.hooks.Captures == nil {
		return fmt.Errorf("capture %s: %w", name, ErrUnknown)
	}
	return captured(a.hooks.Captures.Remove(name))
}

// CaptureList returns the state of the captures.
func (a *Admin) CaptureList() []capture.State {
	if a.hooks.Captures == nil {
		return []capture.State{}
	}
	return a.hooks.Captures.List()
}

// CaptureState returns the state of one capture.
func (a *Admin) CaptureState(name string) (capture.State, error) {
	for _, c := range a.CaptureList() {
		if c.Name == name {
			return c, nil
		}
	}
	return capture.State{}, fmt.Errorf("capture %q: %w", name, ErrUnknown)
}

// captured makes an error of package capture one of this package.
func captured(err error) error {
	for _, e := range [][2]error{{capture.ErrInvalid, ErrInvalid}, {capture.ErrUnknown, ErrUnknown}, {capture.ErrRefused, ErrRefused}} {
		if errors.Is(err, e[0]) {
			return &refusal{err, e[1]}
		}
	}
	return err
}

// refusal is an error that is one of this package's, too; its text is the other one's.
type refusal struct {
	error
	kind error
}

func (r *refusal) Unwrap() []error { return []error{r.error, r.kind} }

// endCaptures ends the captures of a port that is switched.
func (a *Admin) endCaptures(p *port) {
	if a.hooks.Captures != nil {
		a.hooks.Captures.StopPort(p.name)
	}
}
