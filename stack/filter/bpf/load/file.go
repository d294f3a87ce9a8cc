package load

import (
	"errors"
	"strings"
)

var errNoFunction = errors.New("no object: only those have functions to name")

// File makes a filter of a file's content, whichever kind it is: an object that clang built, else a classic program as
// `tcpdump -ddd` prints it, whose value means what returns says.
func File(content []byte, opt Options, returns Returns) (*Filter, error) {
	if strings.HasPrefix(string(content), "\x7fELF") {
		return Object(content, opt)
	}
	if opt.Name != "" {
		return nil, errNoFunction
	}
	program, err := ParseClassic(string(content))
	if err != nil {
		return nil, err
	}
	f, err := Classic(program, returns)
	if err != nil {
		return nil, err
	}
	return f, nil
}
