package oob

import (
	"slices"
	"unsafe"

	"mortise/drivers/mmio"
	"mortise/stack/core"
	"mortise/stack/filter/rules"
	"mortise/stack/forward"
)

// tallies are what is counted of each device's rules: of those that it has, and of as many that replace them. Until the frames meet
// the new rules, the old ones count; and what they have counted stays until the rules are replaced once more, for who takes a change back.
var tallies [Devices][2 * rules.Max]core.Tally

// ruling is in-band's: which rules a device was configured with last, and where they count.
type ruling struct {
	of *forward.Classifier
	placing
	before placing // of the rules that these have replaced
}

// placing is where rules count.
type placing struct {
	id    [rules.Max]uint32
	place [rules.Max]uint8 // in the device's tallies
	used  [2 * rules.Max]bool
}

// ruled are the devices' rulings.
var ruled [Devices]ruling

// configure gives each rule of c its place among the tallies: a rule that is there, by its ID, keeps what it has counted, and so does one
// that was until the last change; any other begins at 0, where nobody counts now. The same Classifier has the same rules.
//
//oob:stage inband
func (r *ruling) configure(c *forward.Classifier, counted *[2 * rules.Max]core.Tally) {
	if c == r.of {
		return
	}
	now, before := r.placing, r.before
	*r = ruling{of: c, before: now}
	if c == nil {
		return
	}
	var fresh []int
	for i := range c.Rule {
		if !c.Table.All.Has(i) {
			break
		}
		r.id[i] = c.Rule[i].ID
		place, ok := now.find(r.id[i])
		if !ok {
			place, ok = before.find(r.id[i])
		}
		if !ok {
			fresh = append(fresh, i)
			continue
		}
		r.place[i], r.used[place] = place, true
	}
	place := uint8(0)
	for _, i := range fresh {
		for now.used[place] || r.used[place] {
			place++
		}
		r.place[i], r.used[place] = place, true
		counted[place] = core.Tally{}
	}
}

// find returns the place of the rule of an ID.
func (p *placing) find(id uint32) (place uint8, ok bool) {
	i := slices.Index(p.id[:], id)
	if i < 0 || id == 0 {
		return 0, false
	}
	return p.place[i], true
}

// install has the rules of set, a copy of those configured, count where they are to.
func (r *ruling) install(set *forward.Classifier, counted *[2 * rules.Max]core.Tally) {
	for i := range set.Rule {
		set.Rule[i].Tally = uintptr(unsafe.Pointer(&counted[r.place[i]%(2*rules.Max)]))
	}
}

// Matched returns how many frames each rule of device dev fitted, in the order of the rules, since the rule was set. Nobody
// calls Configure meanwhile.
//
//oob:stage inband
func Matched(dev uint32) (n [rules.Max]uint32) {
	for i := range n {
		_, n[i] = TallyOf(dev, i)
	}
	return n
}

// TicksOf returns the Ticks that TallyOf does.
//
//oob:stage inband
func TicksOf(dev uint32, i int) uint32 {
	dev %= Devices
	return mmio.Load(&tallies[dev][ruled[dev].place[i%rules.Max]].Ticks)
}

// TallyOf returns what is counted of rule number i of device dev, and how many frames fitted it. Nobody calls Configure meanwhile.
//
//oob:stage inband
func TallyOf(dev uint32, i int) (t core.Tally, matched uint32) {
	dev %= Devices
	r := &ruled[dev]
	if i < 0 || i >= rules.Max || r.of == nil || !r.of.Table.All.Has(i) {
		return t, 0
	}
	from := &tallies[dev][r.place[i]]
	t.Frames, t.Ticks = mmio.Load(&from.Frames), mmio.Load(&from.Ticks)
	matched = t.Frames
	for b := range t.Latency {
		t.Latency[b] = mmio.Load(&from.Latency[b])
		if r.of.Rule[i].Outs == 1 {
			matched += t.Latency[b]
		}
	}
	return t, matched
}
