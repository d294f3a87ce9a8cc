package divert

import (
	"testing"

	"mortise/drivers/enet/enettest"
	"mortise/stack/filter/bpf"
	"mortise/stack/filter/bpf/load"
	"mortise/stack/oob"
)

// longest returns a program that takes all the steps there are, and says SKIP.
func longest(t testing.TB) *bpf.Program {
	t.Helper()
	program := make([]load.Instruction, bpf.MaxSteps-2)
	for i := range program {
		program[i] = load.Instruction{Op: 0x04, K: 1} // add #1
	}
	program[len(program)-1] = load.Instruction{Op: 0x06, K: 2} // ret #2
	f, err := load.Classic(program, load.Returns{Codes: true})
	if err != nil {
		t.Fatal(err)
	}
	if f.Steps != bpf.MaxSteps {
		t.Fatalf("%d steps, want %d", f.Steps, bpf.MaxSteps)
	}
	return &f.Program
}

// TestBudgetOfProgram: with a dear program an activation takes so many frames less; the rest waits for the next tick, and nothing
// is lost. Without it all is as before.
func TestBudgetOfProgram(t *testing.T) {
	b := newBench(t, true, enettest.Options{})
	table[0].winCap = 1000 // rounds take less than a millisecond
	const each = bpf.PollSteps / bpf.MaxSteps
	c := siteConfig(b.site)
	for round, frames := range []uint32{each, rxBudget, each} {
		c.Device[0].Program = nil
		if frames == each {
			c.Device[0].Program = longest(t)
		}
		if err := oob.Configure(c, Adopt); err != nil {
			t.Fatal(err)
		}
		counters[0] = [NumCounters]uint32{}
		const n = 40
		for i := range uint32(n) {
			b.nic.Inject(b.inband(i))
		}
		before := oob.JudgedBy(0)
		todo := Poll(0)
		if got := b.count(Received); got != frames || todo&Rearm == 0 {
			t.Fatalf("round %d: an activation took %d frames, want %d; todo %#x", round, got, frames, todo)
		}
		ticks := 1
		for ; todo&Rearm != 0; ticks++ {
			now := b.count(Received)
			todo = Tick(0)
			if got := b.count(Received) - now; got > frames {
				t.Fatalf("round %d: a tick took %d frames, want at most %d", round, got, frames)
			}
			b.slots(t)
		}
		var got []uint32
		for b.Receive(64, func(f []byte) { got = append(got, number(f)) }) != 0 {
		}
		for i := range uint32(n) {
			if len(got) != n || got[i] != i {
				t.Fatalf("round %d: in-band received %d frames, want %d in their order", round, len(got), n)
			}
		}
		if judged := oob.JudgedBy(0); frames == each && judged.Runs()-before.Runs() != n {
			t.Errorf("round %d: %d frames were judged, want %d", round, judged.Runs()-before.Runs(), n)
		}
		t.Logf("round %d: %d frames in %d activations", round, n, ticks)
	}
}
