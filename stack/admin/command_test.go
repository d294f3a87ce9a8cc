package admin_test

import (
	"strings"
	"testing"

	"mortise/stack/console"
)

func TestCommands(t *testing.T) {
	b := newBench(t)
	b.answer = [6]byte{2, 0, 0, 0, 0, 9}
	c := console.New(b.Commands()...)
	for _, tc := range []struct{ line, want string }{
		{"net enable -i rt0.43 -p 20", "rt0.43: oob port, 20 buffers of 2048 bytes"},
		{"net enable -i rt0.43 -p 21", "net enable: rt0.43: refused: it is on, with 20 buffers of 2048 bytes; disable it first"},
		{"net enable -i rt0.44 -p 0", "net enable: a pool of 0 buffers: invalid"},
		{"net enable -i rt0.44 -p x", `invalid value "x"`},
		{"net enable", "name the port: -i NAME"},
		{"net enable rt0.44", "1 words behind the flags, want 0 to 0"},
		{"net enable -i rt9", `port "rt9": no such port or device, want one of rt0 rt0.42`},
		{"net query -i rt0.43", "port rt0.43: 10.0.43.1/24 on rt0, oob, takes all IPv4"},
		{"net query -i rt0", "link up, oob-capable, diverted, for rt0, rt0.42, rt0.43"},
		{"net query", "rt0.44  10.0.44.1/24  in-band"},
		{"net disable -i rt0.43", "rt0.43: in-band only"},
		{"net divert -i rt0 on", "rt0: diverted, for rt0, rt0.42, request"},
		{"net divert -i rt0 maybe", `"maybe": want on or off`},
		{"net divert -i rt0 off", "rt0: diverted, for rt0, rt0.42\n"},
		{"net vlans -i rt0 100,200-210", "rt0: VLANs that are oob without a port: 100,200-210"},
		{"net vlans -i rt0 4095", "4095 is reserved"},
		{"net vlans -i rt0 none", "rt0: VLANs that are oob without a port: none"},
		{"net solicit -s 10.0.42.9", "rt0.42: 10.0.42.9 is at 02:00:00:00:00:09, permanent"},
		{"net solicit nobody", "unable to parse IP"},
		{"net neigh", "2 neighbours"},
		{"net neigh set -i rt0 10.0.0.3 02:00:00:00:00:03", "rt0: 10.0.0.3 is at 02:00:00:00:00:03, permanent"},
		{"net neigh set -i rt0 10.0.0.3 02:00", `"02:00": invalid, want a MAC address`},
		{"net neigh remove -i rt0 10.0.0.3", "rt0: 10.0.0.3 forgotten"},
		{"net neigh flush", "0 entries forgotten"},
		{"net routes", "10.0.42.0/24: rt0.42"},
		{"net sockets", "0 sockets"},
		{"net conflicts", "0 conflicts"},
		{"help", "net solicit"},
	} {
		var out strings.Builder
		c.Do(&out, tc.line)
		if !strings.Contains(out.String(), tc.want) {
			t.Errorf("%s: %q, want %q", tc.line, out.String(), tc.want)
		}
	}
}
