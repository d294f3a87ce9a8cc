//go:build tamago && tasks_latency

package main

import (
	"mortise/stack/task"
	"mortise/tasks/latency"
)

// The image with TASKS=latency measures the way from a timer's expiry to its task.
const taskLatency = 0

//oob:stage oob
func runUser(id uint32) {
	if id == taskLatency {
		latency.Run()
	}
}

func userTasks() []task.Config { return []task.Config{latency.Task(taskLatency)} }

func openUser() error { return nil }
