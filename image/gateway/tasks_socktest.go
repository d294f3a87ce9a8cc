//go:build tamago && tasks_socktest

package main

import (
	"mortise/stack/task"
	"mortise/tasks/socktest"
)

// The image with TASKS=socktest tests sockets from outside.
const taskSocktest = 0

//oob:stage oob
func runUser(id uint32) {
	if id == taskSocktest {
		socktest.Run()
	}
}

func userTasks() []task.Config { return []task.Config{socktest.Task(taskSocktest)} }

// openUser opens the tasks' sockets.
func openUser() error { return socktest.Open(taskSocktest) }
