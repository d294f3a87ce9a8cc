//go:build tamago && inject && !tasks

package main

import "mortise/stack/task"

// The image with fault injection has a task that fails when it is asked to: taskInject.
//
//oob:stage oob
func runUser(id uint32) {
	if id == taskInject {
		injected(inTask)
	}
}

func userTasks() []task.Config { return []task.Config{{ID: taskInject, Name: "inject"}} }

// openUser opens the tasks' sockets: there are none.
func openUser() error { return nil }
