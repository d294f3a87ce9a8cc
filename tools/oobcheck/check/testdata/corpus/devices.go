//go:build tamago

package main

import "mortise/tools/oobcheck/check/testdata/corpus/device"

func init() {
	keep(device.Straddles, device.OddHalf, device.Constant, device.Calls, device.CallsDeep, device.CopiesBlock, device.Copies, device.Bursts)
	keep(device.BurstsStated, device.Frame, device.Bytes, device.TwoBases, device.OwnVariables)
}
