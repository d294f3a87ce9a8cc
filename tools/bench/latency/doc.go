// Package latency measures, in virtual time, how long a guest takes to answer on the wire: from a request's last bit
// entering the NIC to the reply leaving it, in guest instructions.
//
// A session runs in lock step with the guest: virtual time stands still while the host takes the replies and queues
// the next request, so that every decision depends on virtual time only, and a run repeats to the instruction.
// docs/measure.md says how that works, how fine it resolves and what it does not tell.
//
// Stage: none (host). Follows: RFC 768, 791, 826, 862; IEEE 802.1Q-2022; the pcap file format
// (draft-ietf-opsawg-pcap-05). Does not support: guests with more than one echo address a VLAN, pcapng.
package latency
