package task

import (
	"fmt"
	"log"
	"strings"
	"sync"

	"mortise/drivers/mmio"
)

// Event is what the oob stage, or in-band about it, has to say.
type Event struct {
	Kind   Kind
	Time   uint64 // of the stage's counter; 0 for what in-band says
	Task   uint32 // NoTask: none
	Name   string // of the task, or of the device
	Code   uint16
	A, B   uint32
	Format string // EventLog: Config.Log[Code]
}

func (k Kind) String() string {
	switch k {
	case EventLog:
		return "log"
	case EventOverrun:
		return "overrun"
	case EventBudget:
		return "budget"
	case EventQuota:
		return "quota"
	case EventOverload:
		return "overload"
	case EventViolation:
		return "violation"
	case EventDrop:
		return "drop"
	case EventLink:
		return "link"
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

func (e Event) String() string {
	switch e.Kind {
	case EventLog:
		return e.Name + ": " + sprintf(e.Format, e.A, e.B)
	case EventOverrun:
		return fmt.Sprintf("overrun: task %s was still waiting when its timer %d expired, %d times so far", e.Name, e.A, e.B)
	case EventBudget:
		return fmt.Sprintf("budget: a run of task %s took %v", e.Name, Duration(uint64(e.A)))
	case EventQuota:
		return fmt.Sprintf("quota: task %s waits, after %v in its window, %d times so far", e.Name, Duration(uint64(e.A)), e.B)
	case EventOverload:
		return "overload: tasks wait for the next activation"
	case EventViolation:
		if e.Task == NoTask {
			return "violation: a fault stopped the oob stage, in no task"
		}
		return fmt.Sprintf("violation: a fault stopped the oob stage, in task %s", e.Name)
	case EventDrop:
		return fmt.Sprintf("drop: %d frames of %s", e.A, e.Name)
	case EventLink:
		if e.A != 0 {
			return "link: " + e.Name + " is up"
		}
		return "link: " + e.Name + " is down"
	}
	return e.Kind.String()
}

// sprintf fills in as many numbers as the format has verbs.
func sprintf(format string, a, b uint32) string {
	switch strings.Count(strings.ReplaceAll(format, "%%", ""), "%") {
	case 0:
		return strings.ReplaceAll(format, "%%", "%")
	case 1:
		return fmt.Sprintf(format, a)
	}
	return fmt.Sprintf(format, a, b)
}

// checkFormats refuses a format that would not print well.
func checkFormats(c *Config) error {
	if len(c.Log) > 1<<16 {
		return fmt.Errorf("task %s: %d formats, want %d at most", c.Name, len(c.Log), 1<<16)
	}
	for code, format := range c.Log {
		if s := sprintf(format, 1, 2); strings.Contains(s, "%!") {
			return fmt.Errorf("task %s: format %d, %q, prints %q: want two verbs at most, for unsigned numbers", c.Name, code, format, s)
		}
	}
	return nil
}

// A Subscription gets the events. Those that its channel has no room for are lost to it, and counted.
type Subscription struct {
	C    <-chan Event
	c    chan Event
	want func(Event) bool
	mu   sync.Mutex
	lost uint64
}

var subscribers struct {
	mu   sync.Mutex
	list []*Subscription
}

// Subscribe returns a subscription to events for which want is true, all if it is nil, with room for some that are not yet
// read.
//
//oob:stage inband
func Subscribe(room int, want func(Event) bool) *Subscription {
	s := &Subscription{c: make(chan Event, room), want: want}
	s.C = s.c
	subscribers.mu.Lock()
	defer subscribers.mu.Unlock()
	subscribers.list = append(subscribers.list, s)
	return s
}

// Cancel ends a subscription; its channel is not closed.
func (s *Subscription) Cancel() {
	subscribers.mu.Lock()
	defer subscribers.mu.Unlock()
	for i, other := range subscribers.list {
		if other == s {
			subscribers.list = append(subscribers.list[:i:i], subscribers.list[i+1:]...)
			return
		}
	}
}

// Lost returns how many events there was no room for.
func (s *Subscription) Lost() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lost
}

// Publish hands e to the subscribers, in the order in which they came. It does not wait for them.
//
//oob:stage inband
func Publish(e Event) {
	subscribers.mu.Lock()
	defer subscribers.mu.Unlock()
	for _, s := range subscribers.list {
		if s.want != nil && !s.want(e) {
			continue
		}
		select {
		case s.c <- e:
		default:
			s.mu.Lock()
			s.lost++
			s.mu.Unlock()
		}
	}
}

// PrintLogs prints the lines of the tasks, and the events when events is true, for ever: the image runs it in a goroutine.
//
//oob:stage inband
func PrintLogs(events bool) {
	s := Subscribe(noticeRing, func(e Event) bool { return events || e.Kind == EventLog })
	lost := uint64(0)
	for e := range s.C {
		log.Print(e)
		if n := s.Lost() + uint64(LostNotices()); n > lost {
			log.Printf("%d lines and events of tasks are lost", n-lost)
			lost = n
		}
	}
}

// LostNotices returns how many lines and events the oob stage had no room for.
//
//oob:stage inband
func LostNotices() uint32 { return mmio.Load(&notices.lost) }

// collecting is held by who reads notices.
var collecting sync.Mutex

// Woken publishes what the oob stage has said, and tells who waits for a Pipe. The image calls it when the stage has woken
// in-band.
//
//oob:stage inband
func Woken() {
	collecting.Lock()
	defer collecting.Unlock()
	for {
		n, ok := popNotice()
		if !ok {
			break
		}
		Publish(n.event())
	}
	signalPipes()
}

func popNotice() (n notice, ok bool) {
	head := notices.head
	if mmio.Load(&notices.tail) == head {
		return n, false
	}
	n = notices.ring[head%noticeRing]
	mmio.Store(&notices.head, head+1)
	return n, true
}

func (n *notice) event() Event {
	e := Event{Kind: Kind(n.what >> 24), Time: n.time, Task: n.what & 0xff, Code: uint16(n.what >> 8), A: n.a, B: n.b}
	if e.Task >= MaxTasks {
		return e
	}
	mu.Lock()
	defer mu.Unlock()
	c := &configs[e.Task]
	e.Name = c.Name
	if e.Kind == EventLog {
		e.Format = fmt.Sprintf("line %d: %%d, %%d", e.Code)
		if int(e.Code) < len(c.Log) {
			e.Format = c.Log[e.Code]
		}
	}
	return e
}
