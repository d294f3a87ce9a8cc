package nic_test

import (
	"errors"
	"testing"
	"time"

	"mortise/drivers/nic"
)

func TestLinkString(t *testing.T) {
	for _, tt := range []struct {
		link nic.Link
		want string
	}{
		{nic.Link{}, "down"},
		{nic.Link{SpeedMbps: 100, FullDuplex: true}, "down"},
		{nic.Link{Up: true, SpeedMbps: 100, FullDuplex: true}, "100 Mb/s full duplex"},
		{nic.Link{Up: true, SpeedMbps: 10}, "10 Mb/s half duplex"},
	} {
		if got := tt.link.String(); got != tt.want {
			t.Errorf("%#v.String() = %q, want %q", tt.link, got, tt.want)
		}
	}
}

func TestErrors(t *testing.T) {
	var err error = &nic.TimeoutError{Device: "ENET1", Register: "ECR.RESET", Value: 0xf0000001, Want: "0", After: time.Second}
	if want := "ENET1: ECR.RESET = 0xf0000001 after 1s, want 0"; err.Error() != want {
		t.Errorf("Error() = %q, want %q", err, want)
	}
	if !errors.Is(err, nic.ErrTimeout) {
		t.Error("a TimeoutError is not ErrTimeout")
	}
	err = &nic.ConfigError{Device: "ENET2", Field: "ClkHz", Value: 0, Want: "a clock"}
	if want := "ENET2: ClkHz = 0, want a clock"; err.Error() != want {
		t.Errorf("Error() = %q, want %q", err, want)
	}
}

type fakeClock struct{ now time.Time }

func (c *fakeClock) Now() time.Time        { return c.now }
func (c *fakeClock) Sleep(d time.Duration) { c.now = c.now.Add(d) }

func TestPoll(t *testing.T) {
	for _, tt := range []struct {
		name    string
		ready   time.Duration // the state is reached then
		pause   time.Duration
		want    bool
		elapsed time.Duration
	}{
		{"at once", 0, time.Millisecond, true, 0},
		{"in time", 5 * time.Millisecond, time.Millisecond, true, 5 * time.Millisecond},
		{"at the limit", 10 * time.Millisecond, time.Millisecond, true, 10 * time.Millisecond},
		{"never", time.Hour, time.Millisecond, false, 10 * time.Millisecond},
		{"slept over the limit", 7 * time.Millisecond, time.Second, true, time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := &fakeClock{}
			start := c.now
			got := nic.Poll(c, 10*time.Millisecond, tt.pause, func() bool { return c.now.Sub(start) >= tt.ready })
			if e := c.now.Sub(start); got != tt.want || e != tt.elapsed {
				t.Errorf("Poll = %v after %v, want %v after %v", got, e, tt.want, tt.elapsed)
			}
		})
	}
	if !nic.Poll(nic.System, time.Minute, time.Microsecond, func() bool { return true }) {
		t.Error("Poll with the system's clock = false")
	}
}
