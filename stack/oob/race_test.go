//go:build race

package oob

const raceEnabled = true
