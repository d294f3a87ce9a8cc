package guard

import (
	"testing"
	"time"
)

func TestPolicy(t *testing.T) {
	type step struct {
		at      time.Duration
		command bool // else a fault
		restart bool
	}
	for _, c := range []struct {
		name      string
		perMinute int
		steps     []step
		want      Report // a second after the last step
	}{
		{"none", 0, []step{{at: 0}}, Report{GaveUp: true}},
		{
			"up to the limit", 2,
			[]step{{at: 0, restart: true}, {at: 1, restart: true}, {at: 2}},
			Report{PerMinute: 2, LastMinute: 2, Total: 2, GaveUp: true},
		},
		{
			"a minute slides", 2,
			[]step{{at: 0, restart: true}, {at: 30, restart: true}, {at: 60, restart: true}, {at: 89}},
			Report{PerMinute: 2, LastMinute: 1, Total: 3, GaveUp: true},
		},
		{
			"a command begins anew", 1,
			[]step{{at: 0, restart: true}, {at: 1}, {at: 2, command: true}, {at: 3, restart: true}},
			Report{PerMinute: 1, LastMinute: 1, Total: 3},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := NewPolicy(c.perMinute)
			var now time.Duration
			for i, s := range c.steps {
				now = s.at * time.Second
				if s.command {
					p.Command()
				} else if got := p.Fault(now); got != s.restart {
					t.Errorf("step %d: restart = %v, want %v", i, got, s.restart)
				}
			}
			if got := p.Report(now + time.Second); got != c.want {
				t.Errorf("Report = %+v, want %+v", got, c.want)
			}
		})
	}
}
