// Package inband measures what in-band's network traffic costs: instructions per MiB of TCP, per HTTP request and per UDP
// echo, through lan0 (ENET2), of our firmware and of one of stock TamaGo and gVisor (image/stockpeer) on the same board.
//
// Instructions are counted by QEMU's icount, which does not count idle time, between two moments at which nothing is under
// way. The host's side of each connection is a small TCP of its own, without retransmission, since nothing is lost: it
// acts once a release, while virtual time stands still, so that what it sends depends on virtual time alone. The releases
// are those of frames to ENET1, which the firmware under test does not serve: they cost the guest nothing.
//
// Stage: none (host). Follows: RFC 9293 (TCP), RFC 9112 (HTTP/1.1). Does not support: loss, more than one connection at a
// time.
package inband
