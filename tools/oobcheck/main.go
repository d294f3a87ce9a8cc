// Command oobcheck checks the oob code of a linked firmware image: docs/oobcheck.md says what it looks for.
//
// Its exit status is 0 when nothing was found, 1 when something was, 2 when the image could not be checked.
//
// Stage: host. Does not support: other images than those for GOARCH=arm and arm64.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"

	"mortise/tools/oobcheck/check"
)

func main() {
	asJSON := flag.Bool("json", false, "print the report as JSON")
	costs := flag.Bool("costs", false, "print what each function takes at worst")
	entries := flag.String("entry", "", "check from these `functions` on, separated by commas (default: the vectors of stack/stage)")
	stack := flag.String("stack", "", "`symbol` of the oob stack (default: stack/stage's)")
	saver := flag.String("saver", "", "arm64: the `function` that saves vector registers ahead of the entries (default: stack/stage's fiqVector)")
	root := flag.String("root", ".", "the module's root `folder`: annotations are read there")
	tags := flag.String("tags", "", "build `tags` of the image, separated by commas")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: oobcheck [flags] IMAGE.elf")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() != 1 {
		flag.Usage()
		os.Exit(2)
	}
	config := check.Gateway(flag.Arg(0), *root, list(*tags))
	if *entries != "" {
		config.Entries = list(*entries)
	}
	if *stack != "" {
		config.Stack = *stack
	}
	if *saver != "" {
		config.Saver = *saver
	}
	passed, err := run(config, *asJSON, *costs)
	if err != nil {
		fmt.Fprintln(os.Stderr, "oobcheck:", err)
		os.Exit(2)
	}
	if !passed {
		os.Exit(1)
	}
}

func list(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}

func run(config check.Config, asJSON, costs bool) (bool, error) {
	r, err := check.Run(config)
	if err != nil {
		return false, err
	}
	if asJSON {
		out := json.NewEncoder(os.Stdout)
		out.SetIndent("", "  ")
		return r.Passed(), out.Encode(r)
	}
	return r.Passed(), r.Write(os.Stdout, costs)
}
