package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mortise/tools/bench/inband"
	"mortise/tools/bench/latency"
	"mortise/tools/bench/peer"
)

func TestSelected(t *testing.T) {
	tests := []struct {
		pattern string
		want    int
	}{
		{"", len(latency.Cases()) + len(latency.StockCases())},
		{"^oob$", 1},
		{"flood", 7},
		{"no such case", 0},
		{"(", 0},
	}
	for _, test := range tests {
		got, err := (&options{pattern: test.pattern}).selected()
		if len(got) != test.want || (err == nil) != (test.want > 0) {
			t.Errorf("selected(%q) = %d cases, %v, want %d", test.pattern, len(got), err, test.want)
		}
	}
}

func TestSelectedFull(t *testing.T) {
	got, err := (&options{full: true, pattern: "^m-idle-64(-vlan)?$"}).selected()
	if len(got) != 2 || err != nil {
		t.Errorf("two cases of the full matrix: %d, %v", len(got), err)
	}
}

func TestSelectedPeers(t *testing.T) {
	got, err := (&options{peers: true, pattern: "^(oob|peer-.*)$"}).selected()
	if want := 1 + len(latency.PeerCases()); len(got) != want || err != nil {
		t.Errorf("with -peers: %d cases, %v, want %d", len(got), err, want)
	}
}

// TestPeersUnavailable checks that the error by which main chooses its exit status comes before anything is measured.
func TestPeersUnavailable(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	t.Setenv("MORTISE_CACHE", filepath.Join(dir, "cache"))
	cases := latency.PeerCases()[:1]
	if _, err := (&options{dir: dir}).guests(t.Context(), cases, t.Output()); !errors.Is(err, peer.ErrUnavailable) {
		t.Errorf("guests: %v, want %v", err, peer.ErrUnavailable)
	}
}

func TestEstimate(t *testing.T) {
	cases := latency.Cases()[:2]
	if got := estimate(10*time.Second, cases[0].Work()*2, cases[:1]); got != "5s left" {
		t.Errorf("estimate = %q, want 5s left", got)
	}
	if got := estimate(time.Second, 1, nil); got != "that was the last" {
		t.Errorf("estimate of nothing = %q", got)
	}
}

func TestList(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), &options{list: true, pattern: "oob"}, &out, t.Output()); err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Count(out.String(), "\n"), 17; got != want {
		t.Errorf("-list -case oob: %d lines, want %d:\n%s", got, want, out.String())
	}
}

// TestCheckWithoutFirmware checks that a case that cannot run is reported, and counts for -check.
func TestCheckWithoutFirmware(t *testing.T) {
	dir := t.TempDir()
	emulator := filepath.Join(dir, "qemu-system-arm")
	if err := os.WriteFile(emulator, []byte("#!/bin/sh\necho QEMU emulator version 7.2.0\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	o := options{
		pattern: "^oob-gc$", emulator: emulator, elf: filepath.Join(dir, "gateway.elf"), dir: dir, check: true, repeat: 1,
		load: latency.Images{}, json: filepath.Join(dir, "report", "bench.json"),
	}
	var out bytes.Buffer
	if err := run(t.Context(), &o, &out, t.Output()); !errors.Is(err, errMissed) {
		t.Errorf("run: %v, want %v", err, errMissed)
	}
	if want := "oob-gc: NOT RUN: no firmware given for load \"gc\""; !strings.Contains(out.String(), want) {
		t.Errorf("report has no %q:\n%s", want, out.String())
	}
	b, err := os.ReadFile(o.json)
	if err != nil {
		t.Fatal(err)
	}
	var report latency.Report
	if err := json.Unmarshal(b, &report); err != nil || len(report.Skipped) != 1 {
		t.Errorf("JSON report: %+v, %v, want one case skipped", report, err)
	}
}

// TestJSON checks that what in-band costs is in the report beside the latencies, where it was measured.
func TestJSON(t *testing.T) {
	r := report{Report: &latency.Report{QEMU: "7.2.22", Results: []*latency.Result{{Case: "oob"}}}}
	for _, in := range []*inband.Report{nil, {QEMU: "7.2.22", Results: []inband.Result{{Case: "udp-echo", Image: inband.Ours, Cost: 81804}}}} {
		r.Inband = in
		var b bytes.Buffer
		if err := asJSON(r)(&b); err != nil {
			t.Fatal(err)
		}
		var got report
		if err := json.Unmarshal(b.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(r, got); diff != "" {
			t.Errorf("JSON round trip (-want +got):\n%s", diff)
		}
	}
}
