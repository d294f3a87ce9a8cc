// Command count delivers the same UDP echo requests over and over: TestInstructions runs it under qemu-arm, which counts.
// Arguments: the VLAN ID (0: untagged), the payload's size in bytes, and how many frames.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"unsafe"

	"mortise/stack/core"
	"mortise/stack/frame"
	"mortise/stack/oob"
	"mortise/stack/wire"
)

func main() {
	var arg [3]int
	for i := range arg {
		arg[i], _ = strconv.Atoi(os.Args[i+1])
	}
	mac := [6]byte{2, 0, 0, 0, 0, 1}
	config := new(oob.Config)
	config.Device[0].MAC = mac
	config.Device[0].Ports[0] = oob.PortConfig{Addr: [4]byte{10, 0, 0, 1}, Prefix: 24, Rules: true}
	config.Device[0].Ports[0].UDP.Add(7, 7)
	config.Device[0].Ports[1] = oob.PortConfig{VID: 42, Addr: [4]byte{10, 0, 42, 1}, Prefix: 24}
	check(oob.Configure(config, func(uint32, oob.Device) {}))
	m, _, err := frame.NewMemory(1)
	check(err)

	h := &wire.Header{Dst: mac, Src: [6]byte{2, 0, 0, 0, 0, 2}, SrcIP: [4]byte{10, 0, 0, 2}, DstIP: [4]byte{10, 0, 0, 1}}
	if arg[0] != 0 {
		h.Tags, h.SrcIP, h.DstIP = []wire.VLAN{{VID: uint16(arg[0])}}, [4]byte{10, 0, 42, 2}, [4]byte{10, 0, 42, 1}
	}
	request := wire.AppendUDP(nil, h, 4000, 7, make([]byte, arg[1]))
	slot := unsafe.Slice((*byte)(unsafe.Add(nil, m.Frame(0))), frame.MaxLen)
	for range arg[2] {
		runtime.Gosched() // or the scheduler may ask for it in the middle of a frame
		copy(slot, request)
		if action := oob.Deliver(oob.DeviceAt(0), m.Frame(0), uint32(len(request))); action != oob.Reply|uint32(len(request)) {
			check(fmt.Errorf("Deliver = %#x", action))
		}
	}
}

// came is core.Came of a device whose frames have no time.
//
//go:linkname came mortise/stack/core.Came
func came(uint32) (at, source uint32) { return 0, core.NoTime }

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
