package main

import (
	"regexp"
	"slices"
	"strings"
	"sync"
)

// subset is what make test runs: what does not depend on the machine, and
// what depends on the scheduler, the collector, the clock, the file system
// and net.SocketFunc.
var subset = []string{
	"bytes", "container/heap", "context", "encoding/base64", "encoding/binary", "errors", "maps", "math", "math/bits", "net", "os", "slices",
	"sort", "strconv", "strings", "sync", "sync/atomic", "unicode/utf8",
}

// trees are what tests read of Go's source tree beside their own package's
// folder.
var trees = map[string][]string{
	"compress/bzip2":              {"src/testdata", "src/compress/testdata"},
	"compress/flate":              {"src/testdata", "src/compress/testdata"},
	"compress/lzw":                {"src/testdata", "src/compress/testdata"},
	"compress/zlib":               {"src/testdata", "src/compress/testdata"},
	"crypto":                      {"src/crypto"},
	"crypto/internal/fips140deps": {"src/crypto"},
	"crypto/internal/fips140test": {"src/crypto"},
	"go/build":                    {"src"},
	"go/internal/gcimporter":      {"src"},
	"go/internal/srcimporter":     {"src"},
	"go/importer":                 {"src"},
	"go/doc":                      {"src/go"},
	"go/parser":                   {"src/go"},
	"go/printer":                  {"src/go"},
	"go/types":                    {"src"},
	"image":                       {"src/image"},
	"image/draw":                  {"src/image"},
	"image/gif":                   {"src/image"},
	"image/jpeg":                  {"src/image"},
	"image/png":                   {"src/image"},
	"internal/copyright":          {"src"},
	"internal/trace":              {"src/internal/trace"},
	"internal/types/errors":       {"src/internal/types"},
	"internal/zstd":               {"src/testdata"},
	"io/ioutil":                   {"src/io"},
	"math/big/internal/asmgen":    {"src/math/big"},
	"net":                         {"src/testdata", "src/net"},
	"os":                          {"src/os"},
	"path/filepath":               {"src/path", "src/unicode", "lib"},
	"time":                        {"lib/time"},
}

// A rule says why a test cannot pass on this machine. It names the tests and
// what they say then: a test that fails in another way is not excused. One
// rule is for all tests, as what they say is the reason.
type rule struct {
	pkg, tests string // exact names, separated by spaces, or whole
	said       string // an expression
	why        string
	unrun      bool // it would end the program, or take until the limit: it is not run
}

// whole stands for a package whose tests do not build or begin.
const whole = "-"

const (
	needsPreemption = "spins until another goroutine runs: needs preemption, which amd64 does not have"
	noDescriptors   = "needs a socket's file descriptor: there is none"
	noPipes         = "needs os.Pipe, which the machine does not have"
	saysNoPipes     = `pipe: not implemented on tamago`
)

// rules are in order: the first that fits holds.
var rules = []rule{
	{pkg: "context", tests: "TestContextErrDoneRace", why: needsPreemption, unrun: true},
	{pkg: "debug/elf", tests: "TestNoSectionOverlaps", said: `open \S+debug_elf\.test: No such file`, why: "reads its own program's file, which is the host's"},
	{pkg: "go/build", tests: "TestDependencies", said: `sysrand imports \[runtime/goos\]`, why: "has a list of who imports whom, without runtime/goos"},
	{pkg: "go/types", tests: "TestGenerate", said: `types2/typeterm_test\.go: No such file`, why: "reads a test of cmd/compile, which a downloaded release does not have"},
	{pkg: "internal/copyright", tests: "TestCopyright", said: `This file is part of Mortise's port`, why: "wants the Go authors' copyright in every file: the port's are not theirs"},
	{pkg: "internal/runtime/wasitest", tests: whole, said: `undefined: syscall\.Mkfifo`, why: "it is about hosts of WebAssembly, and makes named pipes with syscall.Mkfifo"},

	{pkg: "net", tests: "TestDialerControlContext TestDialContext", said: `got id 0, want 1`, why: "counts calls of Dialer.Control, whose argument would be a file descriptor"},
	{pkg: "net", tests: "TestFileConn TestFileListener TestFilePacketConn TestUnixUnlink", said: `dup: Operation not supported`, why: noDescriptors},
	{pkg: "net", tests: "TestRawConnReadWrite TestRawConnControl", said: `not supported`, why: noDescriptors},
	{pkg: "net", tests: "TestReadUnixgramWithUnnamedSocket", said: `not implemented on tamago`, why: "makes a socket with syscall.Socket"},
	{pkg: "net", tests: "TestTCPReadWriteAllocs TestAllocs", said: `got \d+; want 0|allocated \d+ objects`, why: "counts allocations: addresses go to SocketFunc as interfaces"},
	{pkg: "net", tests: "TestIPv6WriteMsgUDPAddrPortTargetAddrIPVersion", said: `non-IPv4 address`, why: "sends to IPv6 from a wildcard socket, which is an IPv4 one"},
	{pkg: "net", tests: "TestCopyPipeIntoTCP TestSendfilePipe", said: saysNoPipes, why: noPipes},

	{pkg: "os", tests: "TestRootConcurrentClose", why: needsPreemption, unrun: true},
	{pkg: "os", tests: "TestPipeThreads TestNewFileNonBlock TestNewFileBlock TestPipeCloseRace TestPipeIOCloseRace TestSeekError", said: saysNoPipes, why: noPipes},
	{pkg: "os", tests: "TestProcessLiteral", said: `Signal got err not implemented`, why: "signals a process: there are none"},
	{pkg: "os", tests: "TestRootLinkFrom", said: `cannot create a hard link to a symlink`, why: "os.Root goes by path, as on js, where this test is skipped"},
	{pkg: "os", tests: "TestRootRenameAfterOpen", said: `openat f: No such file`, why: "os.Root goes by path, as on js, where this test is skipped"},

	{pkg: "runtime", tests: "TestPreemption TestPreemptionGC TestPreemptionAfterSyscall", why: needsPreemption, unrun: true},
	{pkg: "runtime", tests: "TestPageAllocGrow TestPageAllocAlloc TestPageAllocAllocToCache", why: "has heap addresses of 48 bits: the port's have 40", unrun: true},
	{pkg: "runtime", tests: "TestLockOSThreadNesting", why: "looks for the thread that LockOSThread, which does nothing here, would lock", unrun: true},
	{pkg: "runtime", tests: "TestParallelRWMutexReaders", why: "has goroutines wait for each other without yielding: needs threads", unrun: true},
	{pkg: "runtime", tests: "TestProfBufWakeup", why: "waits for a goroutine to be in a system call: blocked in the runtime it is parked here, as on js", unrun: true},
	{pkg: "runtime", tests: "TestPeriodicGC", said: `no periodic GC`, why: "needs sysmon, which is a thread"},
	{pkg: "runtime", tests: "TestSchedPauseMetrics", said: `FAIL: TestSchedPauseMetrics/runtime\.GOMAXPROCS`, why: "has GOMAXPROCS stop the world: it stays 1 without"},
	{pkg: "runtime", tests: "TestReadRandom", said: `readRandom failed at startup`, why: "looks at the first seed: the port replaces it when the board's generator is up"},
	{pkg: "runtime/debug", tests: "TestWriteHeapDumpNonempty", said: `Heap dump size 0 bytes`, why: "hands a file of the file system to the runtime, which only has the console"},

	{said: `os\.Executable error: Executable not implemented|fork/exec \S+: not implemented`, why: "starts a process"},
}

var compiled = sync.OnceValue(func() (list []*regexp.Regexp) {
	for _, r := range rules {
		list = append(list, regexp.MustCompile(r.said))
	}
	return
})

func (r *rule) names(pkg, test string) bool {
	return r.pkg == pkg && slices.Contains(strings.Fields(r.tests), test)
}

// excuse returns why a test that said this cannot pass, or "".
func excuse(pkg, test, said string) string {
	for i := range rules {
		r := &rules[i]
		if (r.pkg == "" || r.names(pkg, test)) && compiled()[i].MatchString(said) {
			return r.why
		}
	}
	return ""
}

// unrun returns the package's tests that are not run.
func unrun(pkg string) (tests []string) {
	for _, r := range rules {
		if r.unrun && r.pkg == pkg {
			tests = append(tests, strings.Fields(r.tests)...)
		}
	}
	return tests
}
