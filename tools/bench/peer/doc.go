// Package peer makes what the gateway is measured beside: Debian's kernels for armhf, standard and PREEMPT_RT, each with
// an initramfs whose only program is tools/bench/peer/guest, and image/stockpeer. The kernels come from the
// distribution's packages, which apt-get downloads into a state of its own: the system's stays without the foreign
// architecture. What is taken out of them is kept in the cache.
//
// Stage: none (host). Does not support: hosts whose apt knows no armhf packages of Debian (ErrUnavailable says so); Linux
// 6.12, whose network does not come up with this initramfs.
package peer
