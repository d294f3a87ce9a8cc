package latency

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"mortise/tools/oobcheck/activation"
	"mortise/tools/qemu"
)

// LongestActivation is what the oob stage's longest activation of a run took, in instructions, and the most that it can
// take: what tools/oobcheck computes from the image.
//
// The stage takes it itself, from the machine's start on, without the plugin and at any shift, as it does on hardware: the bound
// holds for that. Activations are the plugin's, exact and of the measured requests only: they say what one of these may have
// had to wait for. agree holds the one against the other.
type LongestActivation struct{ Measured, Bound int64 }

// unmeasured is what the stage does not take of an activation, in instructions: from when dispatch has returned to the return
// from the vector (tools/oobcheck/activation).
const unmeasured = 12

// agree returns an error if the plugin saw an activation that is longer than any that the stage took.
func (r *Result) agree() error {
	if r.Longest.Bound != 0 && r.Activations.Longest > r.Longest.Measured+unmeasured {
		return fmt.Errorf("an activation took %d instructions, and by the stage's own measurement none more than %d: one of them is wrong",
			r.Activations.Longest, r.Longest.Measured+unmeasured)
	}
	return nil
}

// meter reads the longest activation of a guest.
type meter struct {
	bound  *activation.Bound
	dir    string
	socket string
}

func newMeter(kernel string) (*meter, error) {
	root, err := Root()
	if err != nil {
		return nil, err
	}
	m := &meter{}
	if m.bound, err = activation.Of(kernel, root, nil); err != nil {
		return nil, err
	}
	if m.dir, err = os.MkdirTemp("", "mortise-bench-"); err != nil { // a unix socket's path must be short
		return nil, err
	}
	m.socket = filepath.Join(m.dir, "qmp")
	return m, nil
}

func (m *meter) close() { os.RemoveAll(m.dir) }

// read asks the emulator, which nothing may hold back any more.
func (m *meter) read(shift int) (l LongestActivation, err error) {
	monitor, err := qemu.OpenMonitor(m.socket)
	if err != nil {
		return l, err
	}
	defer monitor.Close()
	if err := monitor.Stop(); err != nil {
		return l, err
	}
	l.Bound = m.bound.Instructions
	if l.Measured, err = m.bound.Measured(monitor, shift); err != nil {
		return l, fmt.Errorf("longest activation: %w", err)
	}
	return l, m.bound.Check(l.Measured)
}

// writeLongest compares the longest activation of all runs with what it can be.
func (r *Report) writeLongest(b *strings.Builder) {
	var longest *Result
	for _, result := range r.Results {
		if result.Longest.Bound != 0 && (longest == nil || result.Longest.Measured > longest.Longest.Measured) {
			longest = result
		}
	}
	if longest != nil {
		fmt.Fprintf(b, "The oob stage's longest activation took %s instructions (%s); none can take more than %s, the image's\n"+
			"static bound (docs/oobcheck.md).\n", group(longest.Longest.Measured), longest.Case, group(longest.Longest.Bound))
	}
}
