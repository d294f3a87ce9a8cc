// This file is part of Mortise's port of GOOS=tamago.

//go:build tamago

package runtime

import _ "unsafe" // for go:linkname

// What a machine that is a process of another system tells the runtime, by
// assembly in its package runtime/goos. The linknames keep the names.

// bootArgs is the address of argc, argv and the environment, as System V's
// ABI lays them on the stack. 0: there are none. Only amd64's start reads it.
//
//go:linkname bootArgs
var bootArgs uintptr

// faultAddr is the address whose access made a fault handler call sigpanic.
// 0: the address is not known, as with a nil pointer.
//
//go:linkname faultAddr
var faultAddr uintptr
