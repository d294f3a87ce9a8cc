package enet

import (
	"hash/crc32"

	"mortise/drivers/mmio"
)

// hashes are the destination filters: bit h of a set takes all addresses whose hash is h.
type hashes struct {
	individual, group uint64
	promiscuous       bool
}

// hash returns the bit of the hash registers for addr: the upper six bits of its CRC-32 register, before the final
// complement. 0–31 are bits of the lower register, 32–63 of the upper one.
func hash(addr [6]byte) uint { return uint(^crc32.ChecksumIEEE(addr[:]) >> 26) }

// SetFilter replaces the set of addresses taken besides the MAC and broadcast, at any time. A hash takes other addresses
// too: software compares.
func (dev *Device) SetFilter(addrs [][6]byte, promiscuous bool) error {
	f := hashes{promiscuous: promiscuous}
	for _, a := range addrs {
		if a[0]&1 != 0 {
			f.group |= 1 << hash(a)
		} else {
			f.individual |= 1 << hash(a)
		}
	}
	dev.mu.Lock()
	defer dev.mu.Unlock()
	dev.filter = f
	if dev.running {
		dev.writeFilter()
		mmio.Write(dev.cfg.Base+RCR, dev.rcr())
	}
	return nil
}

func (dev *Device) writeFilter() {
	dev.write(IAUR, uint32(dev.filter.individual>>32))
	dev.write(IALR, uint32(dev.filter.individual))
	dev.write(GAUR, uint32(dev.filter.group>>32))
	dev.write(GALR, uint32(dev.filter.group))
}
