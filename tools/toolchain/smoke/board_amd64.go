//go:build tamago && amd64

package main

// TamaGo's user space board: a process of Linux.
import _ "github.com/usbarmory/tamago/user/linux"
