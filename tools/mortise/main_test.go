package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestExitStatus(t *testing.T) {
	dir := t.TempDir()
	valid, invalid := filepath.Join("..", "..", "gateway.toml"), filepath.Join(dir, "wrong.toml")
	if err := os.WriteFile(invalid, []byte("[device.rt0]\ncontroller = \"ENET9\"\naddress = \"10.0.0.300/24\"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		args []string
		want int
	}{
		{nil, exitUsage},
		{[]string{"help"}, exitOK},
		{[]string{"firmware", "-h"}, exitOK},
		{[]string{"reboot"}, exitUsage},
		{[]string{"check"}, exitUsage},
		{[]string{"check", valid}, exitOK},
		{[]string{"check", invalid}, exitFailed},
		{[]string{"check", filepath.Join(dir, "none.toml")}, exitFailed},
		{[]string{"firmware", "-load", "disk"}, exitFailed},
		{[]string{"firmware", "-size"}, exitUsage},
		{[]string{"run", "-for", "-1s"}, exitFailed},
		{[]string{"run", "-for", "soon"}, exitUsage},
	}
	for _, tt := range tests {
		if got := run(tt.args); got != tt.want {
			t.Errorf("mortise %s: exit status %d, want %d", strings.Join(tt.args, " "), got, tt.want)
		}
	}
}

func TestCommandsWorkBelowTheRootOnly(t *testing.T) {
	t.Chdir(t.TempDir())
	if got := run([]string{"clean"}); got != exitFailed {
		t.Errorf("mortise clean outside a checkout: exit status %d, want %d", got, exitFailed)
	}
}

func TestConfigurationErrorsNameFileAndLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "wrong.toml")
	if err := os.WriteFile(path, []byte("[device.rt0]\ncontroller = \"ENET9\"\naddress = \"10.0.0.300/24\"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := loadConfig("", path)
	if err == nil {
		t.Fatal("loadConfig of a wrong file: no error")
	}
	for _, want := range []string{path + ":2: device.rt0.controller", path + ":3: device.rt0.address"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error = %q, want %q in it", err, want)
		}
	}
}

func TestRunsOnImages(t *testing.T) {
	for path, want := range map[string]bool{
		"mortise/image/gateway": true, "mortise/tools/bench": true, "mortise/tools/bench/latency": true,
		"mortise/tools/benchmark": false, "mortise/stack/oob": false,
	} {
		if got := runsOnImages(path); got != want {
			t.Errorf("runsOnImages(%q) = %v, want %v", path, got, want)
		}
	}
}

func TestDiskUse(t *testing.T) {
	dir := t.TempDir()
	for name, size := range map[string]int{"a": 1000, "b/c": 234} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, make([]byte, size), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := diskUse(dir); err != nil || got != 1234 {
		t.Errorf("diskUse = %d, %v, want 1234", got, err)
	}
}
