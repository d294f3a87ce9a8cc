package main

import "regexp"

// subset is what make test runs: what does not depend on the machine, and
// what depends on the scheduler, the collector and the clock.
var subset = []string{
	"bytes", "container/heap", "context", "encoding/base64", "encoding/binary", "errors", "maps", "math", "math/bits", "slices", "sort",
	"strconv", "strings", "sync", "sync/atomic", "unicode/utf8",
}

// rules say why a test cannot pass on this machine. The first that fits
// holds; empty expressions fit all.
var rules = []struct{ pkg, test, said, why string }{
	{"time", "TestLoadLocationFromTZData", "", "reads files of Go's source tree"},
	{"runtime/debug", "TestWriteHeapDump", "", "hands a file of the host to the runtime"},
	{"debug/elf", "TestNoSectionOverlaps", "", "reads its own program's file"},
	{"crypto/internal/fips140test", "TestACVP", "", "reads files of Go's source tree"},
	{"go/build", "TestLocalDirectory", "", "reads files of Go's source tree"},
	{"context", "TestContextErrDoneRace", "", "spins until another goroutine runs: needs preemption"},
	{"os", "TestRootConcurrentClose", "", "spins until another goroutine runs: needs preemption"},
	{"sync", "TestIssue76126", "", "starts a process"},
	{"", "", `fork/exec|exec: |os/exec|StartProcess|cannot exec|executable file not found|os\.Executable|Executable not implemented`, "starts a process"},
	{"", "", `net\.SocketFunc is nil|failed to listen|[nN]ewLocalListener|nettest:|is not supported on tamago`, "uses the network"},
	{"", "", `(open|stat|lstat) (/\S*/src|\.\./|\S*/api|testdata|\S+\.go)\S*: |GOROOT|cannot find package|is not in std`, "reads files of Go's source tree"},
	{"", "", `[Ss]ymlink|link \S+ \S+: `, "needs links in the file system"},
	{"", "", `pipe: not implemented|pipe2?: |Pipe: `, "needs pipes"},
}

type compiledRule struct {
	pkg, test, said *regexp.Regexp
	why             string
}

var compiled = func() (list []compiledRule) {
	for _, r := range rules {
		list = append(list, compiledRule{regexp.MustCompile("^(?:" + r.pkg + ")"), regexp.MustCompile("^(?:" + r.test + ")"), regexp.MustCompile(r.said), r.why})
	}
	return
}()

// rule returns why a test that said this cannot pass, or "".
func rule(pkg, test, said string) string {
	for _, r := range compiled {
		if r.pkg.MatchString(pkg) && r.test.MatchString(test) && r.said.MatchString(said) {
			return r.why
		}
	}
	return ""
}
