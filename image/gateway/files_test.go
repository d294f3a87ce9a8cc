package main_test

import (
	"crypto/sha1"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
)

// file fetches a file from the gateway over HTTP.
func (r *rig) file(path string) string {
	r.t.Helper()
	text, err := r.get("/files" + path)
	if err != nil {
		r.t.Fatalf("%s: %v", path, err)
	}
	return text
}

// The console's file commands show what the gateway keeps, and HTTP the same.
func TestFiles(t *testing.T) {
	t.Parallel()
	r := boot(t, envInject, options{console: true})
	config := r.file("/config/gateway.toml")
	if !strings.Contains(config, "\ncontrol = true") {
		t.Fatalf("/config/gateway.toml is not the configuration of this image:\n%s", config)
	}
	r.typed("shasum -a 256 /config/gateway.toml")
	r.waitFor(fmt.Sprintf("%x /config/gateway.toml\n", sha256.Sum256([]byte(config))))
	r.typed("shasum config/gateway.toml")
	r.waitFor(fmt.Sprintf("%x /config/gateway.toml\n", sha1.Sum([]byte(config))))
	r.typed("cat /config/gateway.toml")
	r.waitFor(config)

	r.command("oob index")
	r.waitFor("oob stage: serving again")
	r.eventually("the fault is in the log", func() bool {
		return strings.Contains(r.file("/log/oob"), " violation: a fault stopped the oob stage, in no task\n")
	})
	r.typed("cat /log/oob")
	r.waitFor(" violation: a fault stopped the oob stage, in no task\n")
	boot, console := r.file("/log/boot"), r.file("/log/console")
	for _, want := range []string{"mortise ", "\nserving\n", "\noob fault 1: "} {
		if !strings.Contains("\n"+boot, want) {
			t.Errorf("/log/boot has no %q:\n%s", want, boot)
		}
	}
	if !strings.HasPrefix(console, boot) {
		t.Errorf("/log/console does not begin as /log/boot:\n%s", console)
	}
	if got := r.file("/crash"); !strings.HasPrefix(got, "nothing: ") {
		t.Errorf("/crash = %q after a start with power", got)
	}

	r.typed("ls")
	r.waitFor("         captures/\n")
	r.waitFor("         log/\n")
	r.typed("ls /log")
	r.waitFor(" console\n")
	r.typed("base64 /crash")
	r.waitFor("bm90aGluZzog")
	for _, line := range []string{"cat /dev/zero", "ls /dev", "shasum dev/random"} { // which have no end
		r.typed(line)
		command, path, _ := strings.Cut(line, " ")
		r.waitFor(command + ": " + path + ": no file or folder that is kept here\n")
	}
	r.typed("cat /nothing")
	r.waitFor("cat: open /nothing: No such file or directory")
	r.typed("help")
	r.waitFor("cat            FILE…: shows files\n")

	// A console that has printed much keeps its beginning and its end.
	for range 4 {
		r.typed("cat" + strings.Repeat(" /config/gateway.toml", 8))
	}
	r.typed("shasum -a 512 /crash")
	r.waitFor(" /crash\n")
	console = r.file("/log/console")
	if n := len(console); n > 41<<10 || !strings.Contains(console, " bytes are not kept]\n") || !strings.HasSuffix(console, " /crash\n") {
		t.Errorf("after much output /log/console has %d bytes and ends in %q", n, console[max(0, n-100):])
	}
	r.served(t, "the oob stage")
}
