package admin

import (
	"fmt"
	"reflect"
	"slices"
	"time"

	"mortise/stack/core"
	"mortise/stack/forward"
	"mortise/stack/forward/plan"
	"mortise/stack/gateway"
	"mortise/stack/oob"
)

// Rule is the state of a forwarding rule.
type Rule struct {
	Device  string  `json:"device"` // that the frames come in on
	Name    string  `json:"name"`
	Place   int     `json:"place"` // among the device's, from 1
	Does    string  `json:"does"`
	Sends   bool    `json:"sends"`   // frames on; else it judges them
	Matched uint64  `json:"matched"` // frames that fitted it; modulo 2³²
	Latency Latency `json:"latency"`
}

// Latency is how long the oob stage took for the frames of a rule, from the beginning of the activation that received one to its hand-over
// to a destination's transmit ring; of a frame for several destinations each one counts.
type Latency struct {
	Frames  uint64        `json:"frames"` // handed over
	Sum     time.Duration `json:"sum_ns"`
	Buckets []Bucket      `json:"buckets,omitempty"` // those that are not empty, in their order
}

// Bucket is the frames that took so long.
type Bucket struct {
	From   time.Duration `json:"from_ns"`
	Below  time.Duration `json:"below_ns"` // 0: the last one has no end
	Frames uint64        `json:"frames"`
}

// ruling is what the model knows of a device's rules beside them.
type ruling struct {
	compiled *forward.Classifier // nil: there are none
	shown    []Rule              // what does not count
	sums     []sum
}

// sum is a rule's sum of ticks, which the stage counts modulo 2³².
type sum struct {
	seen uint32
	all  uint64
}

// AddForward has another rule decide on what comes in on a device: ahead of the device's rule called before, "": behind all. Each frame
// meets the rules as they were or as they are. A device that it names is diverted if it is not. It returns the rule.
func (a *Admin) AddForward(text gateway.RuleText, before string) (Rule, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f, err := gateway.ParseRule(text, a.nameable(), a.allForward(-1, -1), "")
	if err != nil {
		return Rule{}, fmt.Errorf("%w rule: %w", ErrInvalid, err)
	}
	dev, d, err := a.device(f.From)
	if err != nil {
		return Rule{}, err
	}
	at := len(d.forward)
	if before != "" {
		if at, err = d.rule(before); err != nil {
			return Rule{}, err
		}
	}
	lists := a.forwards()
	lists[dev] = slices.Insert(slices.Clone(d.forward), at, *f)
	if err := a.setForward(lists); err != nil {
		return Rule{}, err
	}
	return a.describeRule(dev, at), nil
}

// ReplaceForward puts another rule in the place of a device's rule, whose name it keeps if it does not say one. It must be from the same
// device. One that is the same goes on counting.
func (a *Admin) ReplaceForward(device, name string, text gateway.RuleText) (Rule, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	dev, d, err := a.device(device)
	if err != nil {
		return Rule{}, err
	}
	at, err := d.rule(name)
	if err != nil {
		return Rule{}, err
	}
	f, err := gateway.ParseRule(text, a.nameable(), a.allForward(int(dev), at), name)
	if err != nil {
		return Rule{}, fmt.Errorf("%w rule: %w", ErrInvalid, err)
	}
	if f.From != device {
		return Rule{}, fmt.Errorf("a rule from %s in the place of one from %s: %w: remove that one and add this", f.From, device, ErrInvalid)
	}
	lists := a.forwards()
	lists[dev] = slices.Clone(d.forward)
	lists[dev][at] = *f
	if err := a.setForward(lists); err != nil {
		return Rule{}, err
	}
	return a.describeRule(dev, at), nil
}

// RemoveForward takes a device's rule away. A device that no rule names any more is in-band's, if nothing else needs it to be
// diverted.
func (a *Admin) RemoveForward(device, name string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	dev, d, err := a.device(device)
	if err != nil {
		return err
	}
	at, err := d.rule(name)
	if err != nil {
		return err
	}
	lists := a.forwards()
	lists[dev] = slices.Delete(slices.Clone(d.forward), at, at+1)
	return a.setForward(lists)
}

// Forwards returns the rules of one device, or of all in their order.
func (a *Admin) Forwards(device string) ([]Rule, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := []Rule{}
	for i, d := range a.devices {
		if device != "" && device != d.name {
			continue
		}
		for j := range d.forward {
			list = append(list, a.describeRule(uint32(i), j))
		}
	}
	if device != "" {
		if _, _, err := a.device(device); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// Forward returns one rule of a device.
func (a *Admin) Forward(device, name string) (Rule, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	dev, d, err := a.device(device)
	if err != nil {
		return Rule{}, err
	}
	at, err := d.rule(name)
	if err != nil {
		return Rule{}, err
	}
	return a.describeRule(dev, at), nil
}

// rule returns the place of a rule of the device.
func (d *device) rule(name string) (int, error) {
	names := ""
	for i := range d.forward {
		if d.forward[i].Name == name {
			return i, nil
		}
		names += " " + d.forward[i].Name
	}
	if names == "" {
		names = " none"
	}
	return 0, fmt.Errorf("rule %q from %s: %w, there are%s", name, d.name, ErrUnknown, names)
}

// nameable returns the devices and their ports as far as rules name them.
func (a *Admin) nameable() (list []gateway.Device) {
	for _, d := range a.devices {
		g := gateway.Device{Name: d.name}
		for _, p := range d.ports {
			g.Ports = append(g.Ports, gateway.Port{VID: p.vid, Label: p.name})
		}
		list = append(list, g)
	}
	return list
}

// forwards returns each device's rules.
func (a *Admin) forwards() (lists [][]gateway.Forward) {
	for _, d := range a.devices {
		lists = append(lists, d.forward)
	}
	return lists
}

// allForward returns the rules of all devices, without the one at a place of a device.
func (a *Admin) allForward(dev, at int) (list []gateway.Forward) {
	for i, d := range a.devices {
		for j := range d.forward {
			if i != dev || j != at {
				list = append(list, d.forward[j])
			}
		}
	}
	return list
}

// setForward makes lists the rules of the devices, all of them or none. The devices that they name are diverted before a frame meets them; those
// that are named no more are released when none does.
func (a *Admin) setForward(lists [][]gateway.Forward) (err error) {
	tables := &gateway.Tables{}
	for i, d := range a.devices {
		tables.Devices = append(tables.Devices, gateway.DeviceTable{Name: d.name, Forward: lists[i]})
	}
	next := make([]ruling, len(a.devices))
	for i, d := range a.devices {
		if next[i], err = a.compile(tables, i, d); err != nil {
			return fmt.Errorf("%w: %w", ErrRefused, err)
		}
	}
	var undo steps
	defer undo.onError(&err)
	before := make([]bool, len(a.devices))
	for i, d := range a.devices {
		before[i] = d.rules
	}
	diverted := func(rules func(i int) bool) error {
		for i, d := range a.devices {
			d.rules = rules(i)
			if err := a.divert(uint32(i)); err != nil {
				return fmt.Errorf("%s: %w: %w", d.name, ErrRefused, err)
			}
		}
		return nil
	}
	undo.add(func() { _ = diverted(func(i int) bool { return before[i] }) })
	if err := diverted(func(i int) bool { return before[i] || names(lists, a.devices[i].name) }); err != nil {
		return err
	}
	undo.add(func() { _ = a.publish() })
	had := make([]bool, len(a.devices))
	for i, d := range a.devices {
		list, ruling := d.forward, d.ruling
		undo.add(func() { d.forward, d.ruling = list, ruling })
		had[i] = ruling.compiled != nil
		d.forward, d.ruling = lists[i], next[i]
	}
	if err := a.publish(); err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	for i, d := range a.devices {
		on := d.ruling.compiled != nil
		if on == had[i] || a.hooks.Promiscuous == nil {
			continue
		}
		undo.add(func() { _ = a.hooks.Promiscuous(uint32(i), !on) })
		if err := a.hooks.Promiscuous(uint32(i), on); err != nil {
			return fmt.Errorf("%s: %w: %w", d.name, ErrRefused, err)
		}
	}
	return diverted(func(i int) bool { return names(lists, a.devices[i].name) })
}

// names reports whether a rule is from a device or to it.
func names(lists [][]gateway.Forward, device string) bool {
	for _, list := range lists {
		for i := range list {
			if list[i].From == device || slices.ContainsFunc(list[i].To, func(d gateway.Destination) bool { return d.Device == device }) {
				return true
			}
		}
	}
	return false
}

// compile makes the rules of device number i ready. A rule that the device has already keeps its ID, and with it what it has counted.
func (a *Admin) compile(t *gateway.Tables, i int, d *device) (r ruling, err error) {
	list := t.Devices[i].Forward
	if (d.ruling.compiled != nil || len(list) == 0) && reflect.DeepEqual(list, d.forward) {
		return d.ruling, nil
	}
	if r.compiled, err = plan.Classifier(t, i); err != nil || r.compiled == nil {
		return r, err
	}
	for j := range list {
		r.shown = append(r.shown, Rule{Device: d.name, Name: list[j].Name, Place: j + 1, Does: list[j].String(), Sends: len(list[j].To) != 0})
		r.sums = append(r.sums, sum{})
		id := &r.compiled.Rule[j].ID
		for k := range d.forward {
			if d.ruling.compiled != nil && d.forward[k].Name == list[j].Name && reflect.DeepEqual(d.forward[k], list[j]) {
				*id, r.sums[j] = d.ruling.compiled.Rule[k].ID, d.ruling.sums[k]
				break
			}
		}
		if *id == 0 {
			*id = lastRule.Add(1)
		}
	}
	return r, nil
}

// tallyRules takes the stage's counts in, more often than they go around.
func (a *Admin) tallyRules() {
	if !a.mu.TryLock() {
		return // the next time is early enough, too
	}
	defer a.mu.Unlock()
	for i, d := range a.devices {
		for j := range d.ruling.sums {
			d.ruling.sums[j].add(oob.TicksOf(uint32(i), j))
		}
	}
}

// describeRule tells of the rule at a place of a device.
func (a *Admin) describeRule(dev uint32, at int) Rule {
	d := a.devices[dev]
	r := d.ruling.shown[at]
	t, matched := oob.TallyOf(dev, at)
	r.Matched = uint64(matched)
	r.Latency = a.latency(&t, d.ruling.sums[at].add(t.Ticks))
	return r
}

// add takes the stage's count in.
func (s *sum) add(now uint32) uint64 {
	s.all += uint64(now - s.seen)
	s.seen = now
	return s.all
}

// latency returns what a tally says.
func (a *Admin) latency(t *core.Tally, ticks uint64) (l Latency) {
	for i, n := range t.Latency {
		if n == 0 {
			continue
		}
		b := Bucket{Below: a.time(uint64(core.BucketEnd(i))), Frames: uint64(n)}
		if i > 0 {
			b.From = a.time(uint64(core.BucketEnd(i - 1)))
		}
		l.Buckets = append(l.Buckets, b)
		l.Frames += b.Frames
	}
	l.Sum = a.time(ticks)
	return l
}

// time returns how long so many ticks of the stage's counter are.
func (a *Admin) time(ticks uint64) time.Duration {
	hz := uint64(a.hooks.TicksPerSecond)
	if hz == 0 {
		hz = 1_000_000
	}
	return time.Duration(ticks/hz)*time.Second + time.Duration(ticks%hz*uint64(time.Second)/hz)
}

// Within returns the time within which a part of the frames was handed over, of 1000: the end of the bucket that the last of them is in. 0: there are none, or
// it has no end.
func (l *Latency) Within(permille uint64) time.Duration {
	left := (l.Frames*permille + 999) / 1000
	for _, b := range l.Buckets {
		if b.Frames >= left {
			return b.Below
		}
		left -= b.Frames
	}
	return 0
}
