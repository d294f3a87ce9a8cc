//go:build tamago

package main

import (
	_ "unsafe" // for linkname

	"mortise/board/mx6ullevk"
	"mortise/stack/stage"
)

//go:linkname dispatch mortise/stack/stage.dispatch
func dispatch(uint32) {}

func start() { stage.Init(stage.Config{CPU: mx6ullevk.CPU, GIC: &mx6ullevk.GIC}) }
