// This file is part of Mortise's port of GOOS=tamago.

//go:build tamago

package syscall

import "runtime/goos"

// consoleWrite prints on the board's console. It is provided by package
// runtime.
func consoleWrite(b []byte)

// A device reads and writes at no particular offset.
type device interface {
	read(b []byte) int
	write(b []byte) int
}

var devices = map[string]device{
	"console": consoleDevice{},
	"null":    nullDevice{},
	"random":  randomDevice{},
	"urandom": randomDevice{},
	"zero":    zeroDevice{},
}

type consoleDevice struct{}

func (consoleDevice) read(b []byte) int  { return 0 } // the console has no input
func (consoleDevice) write(b []byte) int { consoleWrite(b); return len(b) }

type nullDevice struct{}

func (nullDevice) read(b []byte) int  { return 0 }
func (nullDevice) write(b []byte) int { return len(b) }

type zeroDevice struct{}

func (zeroDevice) read(b []byte) int  { clear(b); return len(b) }
func (zeroDevice) write(b []byte) int { return len(b) }

type randomDevice struct{}

func (randomDevice) read(b []byte) int  { goos.GetRandomData(b); return len(b) }
func (randomDevice) write(b []byte) int { return len(b) }
