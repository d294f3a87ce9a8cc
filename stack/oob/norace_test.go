//go:build !race

package oob

const raceEnabled = false
