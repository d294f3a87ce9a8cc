// Command oobcheck checks the oob code of a linked firmware image: docs/oobcheck.md says what it looks for.
//
// Its exit status is 0 when nothing was found, 1 when something was, 2 when the image could not be checked.
//
// Stage: host. Does not support: other images than those for GOARCH=arm.
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
	passed, err := run(flag.Arg(0), *root, list(*tags), list(*entries), *asJSON, *costs)
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

func run(file, root string, tags, entries []string, asJSON, costs bool) (bool, error) {
	config := check.Gateway(file, root, tags)
	if entries != nil {
		config.Entries = entries
	}
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
