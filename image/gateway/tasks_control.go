//go:build tamago && tasks_control

package main

import (
	"mortise/stack/task"
	"mortise/tasks/control"
)

// The image with TASKS=control has the control loop of docs/tutorial.md.
const taskControl = 0

//oob:stage oob
func runUser(id uint32) {
	if id == taskControl {
		control.Run()
	}
}

func userTasks() []task.Config { return []task.Config{control.Task(taskControl)} }

func openUser() error { return control.Open(taskControl) }
