package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// A recorded result is a file of the folder that -results names: a run that
// was interrupted goes on, and a change of the rules takes no run at all.
type recorded struct {
	Go              string // its version
	Broken          string
	Passed, Skipped int
	Failed          []failure
}

func (o *options) file(p *pkg) string { return filepath.Join(o.results, p.slug()+".json") }

// recall returns the recorded result, or nil.
func (o *options) recall(p *pkg) *result {
	if o.results == "" {
		return nil
	}
	text, err := os.ReadFile(o.file(p))
	if err != nil {
		return nil
	}
	var c recorded
	if err := json.Unmarshal(text, &c); err != nil {
		return nil
	}
	return &result{p, c.Go, c.Broken, c.Passed, c.Skipped, c.Failed}
}

// record keeps a result, unless the run was interrupted.
func (o *options) record(ctx context.Context, r *result) {
	if o.results == "" || ctx.Err() != nil {
		return
	}
	text, err := json.MarshalIndent(recorded{r.version, r.broken, r.passed, r.skipped, r.failed}, "", "\t")
	if err == nil {
		if err = os.MkdirAll(o.results, 0o755); err == nil {
			err = os.WriteFile(o.file(r.pkg), text, 0o644)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "stdtest: the result is not kept:", err)
	}
}
