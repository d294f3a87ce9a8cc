// Package gotest is run by TestGoTestAMD64 with GOOS=tamago.
package gotest

import (
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

//go:noinline
func read(p *int) int { return *p }

func TestNilPointer(t *testing.T) {
	for _, fault := range []func(){
		func() { read(nil) },
		func() { var f func(); f() },
	} {
		func() {
			defer func() {
				if err, ok := recover().(runtime.Error); !ok || !strings.Contains(err.Error(), "nil pointer") {
					t.Errorf("recovered %v", err)
				}
			}()
			fault()
		}()
	}
}

func TestArgs(t *testing.T) {
	if runtime.GOOS != "tamago" || len(os.Args) < 2 || os.Getenv("MORTISE_TEST_VALUE") != "here" {
		t.Errorf("%s: arguments %q, value %q", runtime.GOOS, os.Args, os.Getenv("MORTISE_TEST_VALUE"))
	}

	const d = 20 * time.Millisecond
	start := time.Now()
	time.Sleep(d)
	if got := time.Since(start); got < d {
		t.Errorf("slept %v, want %v", got, d)
	}
}

func TestDeadlock(t *testing.T) { select {} }
