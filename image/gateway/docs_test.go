package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestExamples does what the documents' examples say, in the order in which they stand there: what is to be typed on the serial console
// is typed, and answered as it stands there but for the numbers, those of a port's buffers excepted; what is for a shell is run by one.
func TestExamples(t *testing.T) {
	t.Parallel()
	r := bootImage(t, rulesImage(t, "filter"), options{console: true})
	dir := t.TempDir()
	object, err := os.ReadFile("testdata/filter.o")
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "filter.o"), object, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []struct {
		name             string
		typed, run, told int    // how many examples there are at least, and lines of answers
		later            string // typed ahead of the document's shell commands, which are examples of their own
	}{
		{name: "filters", typed: 2, run: 1, told: 4},
		{name: "admin", typed: 3, run: 2, told: 3},
		{name: "forwarding", typed: 5, run: 2, told: 2, later: `net forward add from = "rt0", name = "sync", ethertype = "ptp", to = "lan0"`},
		{name: "console", typed: 4, run: 2, told: 7},
	} {
		text, err := os.ReadFile("../../docs/" + d.name + ".md")
		if err != nil {
			t.Fatal(err)
		}
		typed, run, told := 0, 0, 0
		for _, e := range examples(string(text)) {
			if !e.shell {
				typed++
				told += len(e.answer)
				r.example(t, d.name, e)
				continue
			}
			if run++; d.later != "" {
				r.example(t, d.name, example{command: d.later})
				d.later = ""
			}
			r.shellExample(t, d.name, dir, e.command)
		}
		if typed < d.typed || run < d.run || told < d.told {
			t.Errorf("docs/%s.md: %d examples typed, %d lines of answers, %d run; want %d, %d, %d at least: is the document read right?",
				d.name, typed, told, run, d.typed, d.told, d.run)
		}
	}
	if t.Failed() {
		log, _ := r.process.Serial()
		t.Log(log)
	}
}

// example is a command of a document, for the serial console or a shell, and what it is to be answered.
type example struct {
	command string
	shell   bool
	answer  []string
}

var (
	onConsole = regexp.MustCompile(`^(net|ls|cat|shasum|base64|oob|task) `)
	refusal   = regexp.MustCompile(`^net [a-z ]+: `)
	inShell   = regexp.MustCompile(`^(curl|jq) `)
)

// examples returns those of a document: of its indented blocks those that begin with a command.
func examples(text string) (list []example) {
	in := false
	for _, line := range strings.Split(text, "\n") {
		code, indented := strings.CutPrefix(line, "    ")
		if !indented || strings.HasPrefix(line, "        ") && !in {
			in = false
			continue
		}
		switch {
		case onConsole.MatchString(code) && !refusal.MatchString(code):
			in = true
			list = append(list, example{command: code})
		case inShell.MatchString(code):
			in = true
			list = append(list, example{command: code, shell: true})
		case !in:
		case list[len(list)-1].shell:
			list[len(list)-1].command += "\n" + code
		case !strings.Contains(code, "…"):
			list[len(list)-1].answer = append(list[len(list)-1].answer, code)
		}
	}
	return list
}

var (
	numbers = regexp.MustCompile(`[0-9]+`)
	spaces  = regexp.MustCompile(` +`)
)

// sized is in lines that are the same in each run.
const sized = " buffers of "

// plain is a line without what differs from run to run.
func plain(line string) string {
	if strings.Contains(line, sized) {
		return strings.TrimSpace(line)
	}
	return strings.TrimSpace(spaces.ReplaceAllString(numbers.ReplaceAllString(line, "N"), " "))
}

// example types a command on the console and waits for each line of its answer.
func (r *rig) example(t *testing.T, document string, e example) {
	t.Helper()
	before, err := r.process.Serial()
	if err != nil {
		t.Fatal(err)
	}
	r.typed(e.command)
	var missing []string
	for end := time.Now().Add(told); ; time.Sleep(quiet / 10) {
		log, err := r.process.Serial()
		if err != nil {
			t.Fatal(err)
		}
		var lines []string
		for _, line := range strings.Split(log[len(before):], "\n") {
			lines = append(lines, plain(line))
		}
		missing = slices.DeleteFunc(slices.Clone(e.answer), func(want string) bool { return slices.Contains(lines, plain(want)) })
		if len(missing) == 0 && len(lines) > 1 {
			return
		}
		if time.Now().After(end) {
			t.Errorf("docs/%s.md: %s\nis not answered by\n%s\nbut by\n%s", document, e.command, strings.Join(missing, "\n"), log[len(before):])
			return
		}
	}
}

// shellExample runs a command with the gateway's address as it is from here; a window is not opened.
func (r *rig) shellExample(t *testing.T, document, dir, command string) {
	t.Helper()
	for _, program := range []string{"curl", "jq"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Logf("docs/%s.md: not run, there is no %s: %s", document, program, command)
			return
		}
	}
	command, window, _ := strings.Cut(strings.ReplaceAll(command, "http://10.0.2.15", "http://"+r.web), "&& wireshark")
	command = strings.ReplaceAll(command, "curl ", "curl -sSf -m 20 ")
	if window != "" {
		command += "&& test -s" + window
	}
	cmd := exec.Command("bash", "-c", "set -o pipefail\n"+command)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil || window == "" && len(out) == 0 {
		t.Errorf("docs/%s.md: %s\n%v: %s", document, command, err, out)
	}
}
