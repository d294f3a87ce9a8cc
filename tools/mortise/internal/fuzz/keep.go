package fuzz

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
)

// largestKept is the size of the largest input that is kept, in bytes: more belongs into no repository.
const largestKept = 16 << 10

// Keep copies at most n inputs of t's cache to its package's testdata: each time the one that reaches most code that
// nothing kept before reaches, of equals the smallest, until none reaches more. It returns how many it copied.
func (r *Runner) Keep(ctx context.Context, t Target, n int) (int, error) {
	binary, err := r.build(ctx, t, "cover", "-covermode=set", "-coverpkg=mortise/...")
	if err != nil {
		return 0, err
	}
	have, err := r.reached(ctx, binary, t, "")
	if err != nil {
		return 0, err
	}
	list, err := os.ReadDir(r.Cache(t))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	type input struct {
		name   string
		text   []byte
		blocks map[string]bool
	}
	var inputs []input
	for _, e := range list {
		text, err := os.ReadFile(filepath.Join(r.Cache(t), e.Name()))
		if err != nil {
			return 0, err
		}
		if len(text) > largestKept {
			continue
		}
		blocks, err := r.alone(ctx, binary, t, e.Name(), text)
		if err != nil {
			return 0, err
		}
		inputs = append(inputs, input{e.Name(), text, blocks})
	}
	sort.SliceStable(inputs, func(i, k int) bool { return len(inputs[i].text) < len(inputs[k].text) })
	kept := 0
	for kept < n {
		best, most := -1, 0
		for i := range inputs {
			fresh := 0
			for b := range inputs[i].blocks {
				if !have[b] {
					fresh++
				}
			}
			if fresh > most {
				best, most = i, fresh
			}
		}
		if best < 0 {
			break
		}
		if err := write(filepath.Join(r.kept(t), inputs[best].name), inputs[best].text); err != nil {
			return kept, err
		}
		for b := range inputs[best].blocks {
			have[b] = true
		}
		kept++
	}
	return kept, nil
}

// alone tells what an input reaches that is not among those kept.
func (r *Runner) alone(ctx context.Context, binary string, t Target, name string, text []byte) (map[string]bool, error) {
	path := filepath.Join(r.kept(t), name)
	if _, err := os.Stat(path); err == nil {
		return nil, nil
	}
	if err := write(path, text); err != nil {
		return nil, err
	}
	defer os.Remove(path)
	return r.reached(ctx, binary, t, name)
}

// reached runs t on one input of its testdata, or on all that it has, and tells which blocks of the module that reaches.
func (r *Runner) reached(ctx context.Context, binary string, t Target, name string) (map[string]bool, error) {
	run := "^" + t.Name + "$"
	if name != "" {
		run += "/^" + name + "$"
	}
	profile := binary + ".out"
	cmd := exec.CommandContext(ctx, binary, "-test.run="+run, "-test.coverprofile="+profile)
	cmd.Dir = filepath.Join(r.Root, filepath.FromSlash(t.Dir))
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%s on %s: %w\n%s", t, name, err, out)
	}
	text, err := os.ReadFile(profile)
	if err != nil {
		return nil, err
	}
	return blocks(string(text)), nil
}

// blocks are the blocks that a coverage profile counts as run.
func blocks(profile string) map[string]bool {
	set := map[string]bool{}
	for line := range strings.Lines(profile) {
		block, count, ok := strings.Cut(strings.TrimSpace(line), " ")
		if ok && strings.HasSuffix(count, " 1") {
			set[block] = true
		}
	}
	return set
}

func write(path string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o644)
}
