//go:build tamago && tasks_sockecho

package main

import (
	"mortise/stack/task"
	"mortise/tasks/sockecho"
)

// The image with TASKS=sockecho has an echo by sockets at UDP port 7007.
const taskSockecho = 0

//oob:stage oob
func runUser(id uint32) {
	if id == taskSockecho {
		sockecho.Run()
	}
}

func userTasks() []task.Config { return []task.Config{sockecho.Task(taskSockecho)} }

// openUser opens the tasks' sockets.
func openUser() error { return sockecho.Open(taskSockecho) }
