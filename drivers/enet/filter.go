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
	f := hashesOf(addrs, promiscuous)
	dev.mu.Lock()
	defer dev.mu.Unlock()
	dev.filter = f
	if dev.running {
		f.write(dev.cfg.Base)
		mmio.Write(dev.cfg.Base+RCR, dev.rcr())
	}
	return nil
}

// SetFilter is Device.SetFilter for a running controller at base that another driver has set up, and that driver has no function
// for it.
func SetFilter(base uintptr, addrs [][6]byte, promiscuous bool) {
	f := hashesOf(addrs, promiscuous)
	f.write(base)
	rcr := mmio.Read(base+RCR) &^ RCR_PROM
	if promiscuous {
		rcr |= RCR_PROM
	}
	mmio.Write(base+RCR, rcr)
}

func hashesOf(addrs [][6]byte, promiscuous bool) hashes {
	f := hashes{promiscuous: promiscuous}
	for _, a := range addrs {
		if a[0]&1 != 0 {
			f.group |= 1 << hash(a)
		} else {
			f.individual |= 1 << hash(a)
		}
	}
	return f
}

func (f *hashes) write(base uintptr) {
	mmio.Write(base+IAUR, uint32(f.individual>>32))
	mmio.Write(base+IALR, uint32(f.individual))
	mmio.Write(base+GAUR, uint32(f.group>>32))
	mmio.Write(base+GALR, uint32(f.group))
}
