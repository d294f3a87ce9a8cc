package frame

import (
	"fmt"
	"testing"
)

// model is Ring by its memory accesses, one step each, with a ring of size slots: small enough that every order in which
// the steps of producer and consumer can fall is tried. A ref is the number of its Push.
type model struct {
	size, start uint32
	tail, head  uint32
	refs        [4]uint32

	// Producer: at step pc it has pushed so many of its pushes.
	ppc, pushes, pushed, lost uint32
	ptail, phead              uint32
	// Consumer.
	cpc, pops, popped, empty uint32
	ctail, chead, cref       uint32

	queue [8]uint32 // refs pushed, in order: what the consumer must see

	careless bool // the producer does not look whether there is room
	early    bool // the producer publishes a ref before it is written
}

// produce does the producer's next access; false when it has none left.
func (m *model) produce() bool {
	switch m.ppc {
	case 0: // tail := r.tail
		if m.pushes == 0 {
			return false
		}
		m.pushes--
		m.ptail = m.tail
	case 1: // mmio.Load(&r.head)
		m.phead = m.head
		if m.ptail-m.phead >= m.size && !m.careless {
			m.lost++
			m.ppc = 0
			return true
		}
		m.queue[m.pushed] = m.pushed + 100
	case 2, 3:
		if (m.ppc == 2) != m.early { // r.refs[tail%RingSize] = ref
			m.refs[m.ptail%m.size] = m.queue[m.ptail-m.start]
		} else { // mmio.Store(&r.tail, tail+1)
			m.tail = m.ptail + 1
			m.pushed++
		}
	}
	m.ppc = (m.ppc + 1) % 4
	return true
}

// consume does the consumer's next access; false when it has none left. It returns what is wrong.
func (m *model) consume() (bool, error) {
	switch m.cpc {
	case 0: // head := r.head
		if m.pops == 0 {
			return false, nil
		}
		m.pops--
		m.chead = m.head
	case 1: // mmio.Load(&r.tail)
		m.ctail = m.tail
		if m.ctail == m.chead {
			m.empty++
			m.cpc = 0
			return true, nil
		}
	case 2: // ref = r.refs[head%RingSize]
		m.cref = m.refs[m.chead%m.size]
	case 3: // mmio.Store(&r.head, head+1)
		if want := m.queue[m.popped]; m.cref != want {
			return false, fmt.Errorf("Pop %d = %d, want %d", m.popped, m.cref, want)
		}
		m.head = m.chead + 1
		m.popped++
	}
	m.cpc = (m.cpc + 1) % 4
	return true, nil
}

// check returns what no state may be.
func (m *model) check() error {
	if queued := m.tail - m.head; queued > m.size {
		return fmt.Errorf("%d refs in a ring of %d", queued, m.size)
	}
	if m.tail-m.head != m.pushed-m.popped {
		return fmt.Errorf("%d refs queued, %d pushed, %d popped", m.tail-m.head, m.pushed, m.popped)
	}
	return nil
}

// explore tries each order of the steps from m on.
func explore(m model, seen map[model]bool) error {
	if seen[m] {
		return nil
	}
	seen[m] = true
	if err := m.check(); err != nil {
		return err
	}
	p := m
	if p.produce() {
		if err := explore(p, seen); err != nil {
			return err
		}
	}
	c := m
	ran, err := c.consume()
	if err != nil {
		return err
	}
	if ran {
		return explore(c, seen)
	}
	return nil
}

// TestRingModel: whatever the order in which the two stages' accesses fall, refs come out in order, once, and never more
// than the ring holds. The counters start near 2³², so that they wrap.
func TestRingModel(t *testing.T) {
	for _, size := range []uint32{1, 2, 4} {
		for start := uint32(0); start < 3; start++ {
			seen := map[model]bool{}
			m := model{size: size, start: -start, tail: -start, head: -start, pushes: 6, pops: 7}
			if err := explore(m, seen); err != nil {
				t.Errorf("ring of %d from %#x: %v", size, -start, err)
			}
			t.Logf("ring of %d from %#x: %d states", size, -start, len(seen))
		}
	}
}

// TestRingModelFinds: the model notices a ring whose producer does not look for room, and one that publishes too early.
func TestRingModelFinds(t *testing.T) {
	for _, m := range []model{{size: 2, careless: true}, {size: 2, early: true}} {
		m.pushes, m.pops = 6, 7
		if err := explore(m, map[model]bool{}); err == nil {
			t.Errorf("a ring with careless = %v, early = %v passes", m.careless, m.early)
		} else {
			t.Logf("careless = %v, early = %v: %v", m.careless, m.early, err)
		}
	}
}
