//go:build tamago && tasks_selftest

package main

import (
	"mortise/stack/task"
	"mortise/tasks/selftest"
)

// The image with TASKS=selftest tests stack/task.
const (
	taskRun  = 3
	taskTick = 5
	taskFire = 9
	taskHog  = 12
)

//oob:stage oob
func runUser(id uint32) {
	switch id {
	case taskRun:
		selftest.Run()
	case taskTick:
		selftest.Tick()
	case taskFire:
		selftest.Fire()
	case taskHog:
		selftest.Hog()
	}
}

func userTasks() []task.Config { return selftest.Tasks(taskRun, taskTick, taskFire, taskHog) }

func openUser() error { return selftest.Init(taskRun, taskFire) }
