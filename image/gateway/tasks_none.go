//go:build tamago && !tasks && !inject

package main

import "mortise/stack/task"

// runUser calls the tasks of users, of which the gateway's own image has none.
//
//oob:stage oob
func runUser(uint32) {}

// userTasks describes them.
func userTasks() []task.Config { return nil }

// openUser prepares what they use: timers, buffers, sockets.
func openUser() error { return nil }
