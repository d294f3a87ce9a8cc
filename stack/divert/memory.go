package divert

import "mortise/stack/frame"

// SlotsOffset is where the slots of all devices begin in DMA memory: in front of them are the devices' descriptors.
const SlotsOffset = 64 << 10

// PoolSlots returns how many slots of so many bytes of DMA memory are no device's: what pools can be made of.
//
//oob:stage any
func PoolSlots(bytes int) int {
	return (bytes-SlotsOffset)/frame.SlotSize - Devices*SlotsPerDevice
}
