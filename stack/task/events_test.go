package task

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// events returns what has been published.
func events(s *Subscription) (texts []string) {
	for {
		select {
		case e := <-s.C:
			texts = append(texts, e.String())
		default:
			return texts
		}
	}
}

func TestEvents(t *testing.T) {
	fresh(t, Config{
		ID: 2, Name: "loop", Period: 100 * time.Microsecond, Budget: 50 * time.Microsecond,
		Log: []string{"plain, 100 %%", "level %d", "%d of %08x"},
	})
	all := Subscribe(100, nil)
	logs := Subscribe(2, func(e Event) bool { return e.Kind == EventLog })
	n := 0
	host.run = func(uint32) {
		switch n++; n {
		case 1:
			Log(0, 1, 2)
			Log(1, 7, 0)
		case 2:
			Log(2, 3, 0xbeef)
			Log(9, 3, 4)
			host.time += 330
		}
	}
	start()
	until(host.time + 600)
	if host.wakes == 0 {
		t.Error("in-band is not woken")
	}
	Woken()
	want := []string{
		"loop: plain, 100 %", "loop: level 7", "loop: 3 of 0000beef", "loop: line 9: 3, 4",
		"budget: a run of task loop took 330µs",
		"overrun: task loop was still waiting when its timer 0 expired, 2 times so far",
	}
	if diff := cmp.Diff(want, events(all)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want[:2], events(logs)); diff != "" || logs.Lost() != 2 {
		t.Errorf("logs (-want +got), %d lost, want 2:\n%s", logs.Lost(), diff)
	}
	all.Cancel()
	logs.Cancel()
	Publish(Event{Kind: EventLink, Name: "rt0"})
	if got := events(all); got != nil {
		t.Errorf("events after Cancel: %v", got)
	}
}

func TestEventTexts(t *testing.T) {
	fresh(t)
	for want, e := range map[string]Event{
		"link: rt0 is up":                                                  {Kind: EventLink, Name: "rt0", A: 1},
		"link: rt0 is down":                                                {Kind: EventLink, Name: "rt0"},
		"drop: 7 frames of rt0":                                            {Kind: EventDrop, Name: "rt0", A: 7},
		"overload: tasks wait for the next activation":                     {Kind: EventOverload, Task: NoTask},
		"violation: a fault stopped the oob stage, in no task":             {Kind: EventViolation, Task: NoTask},
		"violation: a fault stopped the oob stage, in task bad":            {Kind: EventViolation, Name: "bad"},
		"quota: task hog waits, after 230µs in its window, 4 times so far": {Kind: EventQuota, Name: "hog", A: 230, B: 4},
		"Kind(99)": {Kind: 99},
	} {
		if got := e.String(); got != want {
			t.Errorf("String() = %q, want %q", got, want)
		}
	}
}

// A task that logs without end loses its own lines, not the events.
func TestLogsLeaveRoom(t *testing.T) {
	fresh(t, Config{ID: 0, Name: "talker", Log: []string{"%d"}, Budget: time.Microsecond})
	Restart()
	host.run = func(uint32) {
		for i := range uint32(noticeRing) {
			Log(0, i, 0)
		}
		host.time += 2
	}
	Ready(0)
	Run()
	s := Subscribe(2*noticeRing, nil)
	Woken()
	got := events(s)
	if len(got) != logRoom+1 || got[logRoom] != "budget: a run of task talker took 2µs" {
		t.Errorf("%d events, the last %q, want %d and the budget", len(got), got[len(got)-1], logRoom+1)
	}
	if n := LostNotices(); n != noticeRing-logRoom {
		t.Errorf("%d lost, want %d", n, noticeRing-logRoom)
	}
}

func TestFormatsRefused(t *testing.T) {
	for _, format := range []string{"%s", "%d %d %d", "%d %", "%t"} {
		fresh(t)
		state.hz = 0
		if err := Configure(testHz, Config{Name: "a", Log: []string{"ok %d", format}}); err == nil || !strings.Contains(err.Error(), "format 1") {
			t.Errorf("format %q: Configure() = %v, want a refusal", format, err)
		}
	}
}
