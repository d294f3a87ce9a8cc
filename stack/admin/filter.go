package admin

import (
	"bytes"
	"fmt"

	"mortise/stack/divert"
	"mortise/stack/filter/bpf/load"
	"mortise/stack/gateway"
	"mortise/stack/oob"
)

// Program is a filter program that a device is to have.
type Program struct {
	Name     string       // what it is called from then on
	Content  []byte       // an object that clang built, or what tcpdump -ddd prints; nil: Hooks.File has it, by Name
	Function string       // of an object with several, or its section
	Returns  load.Returns // what the value of a classic program means
}

// Filter is the state of a device's program.
type Filter struct {
	Device   string  `json:"device"`
	Name     string  `json:"name,omitempty"` // "": it has none
	Function string  `json:"function,omitempty"`
	Insns    int     `json:"instructions,omitempty"`
	Most     int     `json:"most_steps,omitempty"`            // on the longest path
	Frames   uint32  `json:"frames_per_activation,omitempty"` // that it may judge
	Verdicts *Judged `json:"verdicts,omitempty"`
	Steps    uint64  `json:"steps,omitempty"`   // of all runs
	Longest  uint64  `json:"longest,omitempty"` // steps that a run took
}

// Judged is how many frames have had which verdict.
type Judged struct {
	Drop   uint64 `json:"drop"`
	Accept uint64 `json:"accept"`
	Skip   uint64 `json:"skip"`
	VLAN   uint64 `json:"vlan"`
}

// SetFilter has a program judge what comes in on a device, in place of the one that it has: each frame meets the old one or the new
// one. It is verified first; one that is refused changes nothing.
func (a *Admin) SetFilter(name string, p Program) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	dev, _, err := a.device(name)
	if err != nil {
		return err
	}
	if p.Content == nil {
		if p.Name == "" {
			return fmt.Errorf("a filter program: %w: name its file, or send it", ErrInvalid)
		}
		if a.hooks.File == nil {
			return fmt.Errorf("file %s: %w: there are none here", p.Name, ErrUnknown)
		}
		if p.Content, err = a.hooks.File(p.Name); err != nil {
			return fmt.Errorf("%w: %w", ErrUnknown, err)
		}
	}
	if p.Name == "" {
		p.Name = "program"
	}
	f := &gateway.Filter{File: p.Name, Function: p.Function, Returns: p.Returns, Content: bytes.Clone(p.Content)}
	if f.Program, err = load.File(f.Content, load.Options{Name: f.Function, Ifindex: dev + 1}, f.Returns); err != nil {
		return fmt.Errorf("the program %s: %w: %w", p.Name, ErrRefused, err)
	}
	return a.setFilter(dev, f)
}

// RemoveFilter takes a device's program away. A device without one is no error.
func (a *Admin) RemoveFilter(name string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	dev, _, err := a.device(name)
	if err != nil {
		return err
	}
	return a.setFilter(dev, nil)
}

func (a *Admin) setFilter(dev uint32, f *gateway.Filter) (err error) {
	d := a.devices[dev]
	var undo steps
	defer undo.onError(&err)
	before := d.filter
	d.filter = f
	undo.add(func() { d.filter = before; _ = a.publish() })
	if err := a.publish(); err != nil {
		return fmt.Errorf("a filter program of %s: %w: %w", d.name, ErrRefused, err)
	}
	return a.divert(dev)
}

// sameFilter returns old where f is the same program: what it has counted stays.
func sameFilter(old, f *gateway.Filter) *gateway.Filter {
	if old != nil && f != nil && old.File == f.File && old.Function == f.Function && old.Returns == f.Returns && bytes.Equal(old.Content, f.Content) {
		return old
	}
	return f
}

// Filter tells which program judges what comes in on a device, and what it has done.
func (a *Admin) Filter(name string) (Filter, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	dev, d, err := a.device(name)
	if err != nil {
		return Filter{}, err
	}
	return d.describeFilter(dev), nil
}

// Filters tells it of all devices.
func (a *Admin) Filters() []Filter {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := make([]Filter, 0, len(a.devices))
	for i, d := range a.devices {
		list = append(list, d.describeFilter(uint32(i)))
	}
	return list
}

func (d *device) describeFilter(dev uint32) Filter {
	t := Filter{Device: d.name}
	f := d.filter
	if f == nil {
		return t
	}
	j := oob.JudgedBy(dev)
	t.Name, t.Function, t.Insns, t.Most = f.File, f.Function, f.Program.Program.Len(), f.Program.Steps
	t.Frames = divert.Frames(dev)
	t.Verdicts = &Judged{uint64(j.Verdicts[0]), uint64(j.Verdicts[1]), uint64(j.Verdicts[2]), uint64(j.Verdicts[3])}
	t.Steps, t.Longest = uint64(j.Steps), uint64(j.Longest)
	return t
}

// filterName is what the device's program is called, "" without one.
func (d *device) filterName() string {
	if d.filter == nil {
		return ""
	}
	return d.filter.File
}
