// Package suite runs the steps of `make test` and sums them up.
//
// Stage: host. Does not support: steps side by side; the latency gates need the machine for themselves.
package suite

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// Step is one part of a test run.
type Step struct {
	Name string
	// Needed says that nothing after the step makes sense when it has failed.
	Needed bool
	// Run returns a remark for the summary, "" for none. ErrSkipped, wrapped, means that the step did not apply.
	Run func(ctx context.Context) (remark string, err error)
}

// ErrSkipped is wrapped by a step that could not run here and need not.
var ErrSkipped = errors.New("skipped")

// outcome is what became of a step.
type outcome struct {
	step   *Step
	took   time.Duration
	remark string
	err    error
}

// Run runs the steps in order and writes the summary to w. It returns an error that names the failed steps.
func Run(ctx context.Context, w io.Writer, steps []Step) error {
	var done []outcome
	for i := range steps {
		s := &steps[i]
		fmt.Fprintf(w, "\n=== %s\n", s.Name)
		start := time.Now()
		remark, err := s.Run(ctx)
		done = append(done, outcome{s, time.Since(start), remark, err})
		if err != nil {
			fmt.Fprintf(w, "%s: %v\n", s.Name, err)
		}
		if ctx.Err() != nil || failed(err) && s.Needed {
			break
		}
	}
	fmt.Fprint(w, "\n"+summary(done, len(steps)))
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var names []string
	for _, o := range done {
		if failed(o.err) {
			names = append(names, o.step.Name)
		}
	}
	if names != nil {
		return fmt.Errorf("failed: %s", strings.Join(names, ", "))
	}
	return nil
}

func failed(err error) bool { return err != nil && !errors.Is(err, ErrSkipped) }

// summary renders a line a step.
func summary(done []outcome, steps int) string {
	var b strings.Builder
	var total time.Duration
	for _, o := range done {
		word := "ok"
		switch {
		case errors.Is(o.err, ErrSkipped):
			word = "skipped"
		case o.err != nil:
			word = "FAILED"
		}
		line := fmt.Sprintf("%-8s %6.1f s  %-16s %s", word, o.took.Seconds(), o.step.Name, o.remark)
		b.WriteString(strings.TrimRight(line, " ") + "\n")
		total += o.took
	}
	fmt.Fprintf(&b, "%-8s %6.1f s  %d of %d steps run\n", "total", total.Seconds(), len(done), steps)
	return b.String()
}
