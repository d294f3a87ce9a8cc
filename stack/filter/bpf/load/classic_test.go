package load

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/net/bpf"

	"mortise/stack/filter"
)

// expressions are those of testdata/classic.txt, in its order.
var expressions = []string{
	"udp port 7", "vlan 42 and udp", "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0", "ether proto 0x88a4", "ip and not icmp",
	"src net 10.0.0.0/24 and dst port 319", "ip6 or arp", "ether multicast", "less 60", "ip[0] & 0xf > 5",
	"udp portrange 4000-4100 or port 53", "vlan and vlan 100 and ip", "ip broadcast or host 192.168.1.2",
}

// programs returns what tcpdump compiles the expressions to.
func programs(t testing.TB) [][]Instruction {
	t.Helper()
	b, err := os.ReadFile("testdata/classic.txt")
	if err != nil {
		t.Fatal(err)
	}
	var list [][]Instruction
	for text := range strings.SplitSeq(strings.TrimSpace(string(b)), "\n\n") {
		p, err := ParseClassic(text)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
	if len(list) != len(expressions) {
		t.Fatalf("%d programs for %d expressions", len(list), len(expressions))
	}
	return list
}

// TestClassic: on 100,000 frames the verdicts of tcpdump's programs are those of the virtual machine of golang.org/x/net/bpf,
// and libpcap's own where tcpdump is installed: it writes the frames that match.
func TestClassic(t *testing.T) {
	a, r := newArena(t), rand.New(rand.NewPCG(11, 12))
	list := make([][]byte, frames(100_000))
	capture := new(bytes.Buffer)
	for _, v := range []any{uint32(0xa1b2c3d4), uint16(2), uint16(4), uint32(0), uint32(0), uint32(65535), uint32(1)} {
		binary.Write(capture, binary.LittleEndian, v)
	}
	for i := range list {
		list[i] = randomFrame(r)
		n := uint32(len(list[i]))
		binary.Write(capture, binary.LittleEndian, [4]uint32{uint32(i), 0, n, n}) // the time in seconds is the frame's number
		capture.Write(list[i])
	}
	file := filepath.Join(t.TempDir(), "frames.pcap")
	if err := os.WriteFile(file, capture.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	tcpdump, err := exec.LookPath("tcpdump")
	if err != nil {
		t.Log("tcpdump is not installed: compared with x/net/bpf only")
	}
	for i, program := range programs(t) {
		t.Run(expressions[i], func(t *testing.T) {
			f, err := Classic(program, Matching)
			if err != nil {
				t.Fatal(err)
			}
			var pcap map[uint32]bool
			if tcpdump != "" {
				pcap = matching(t, tcpdump, file, expressions[i])
				if got := compile(t, tcpdump, expressions[i]); fmt.Sprint(got) != fmt.Sprint(program) {
					t.Logf("this tcpdump compiles another program: %v", got)
				}
			}
			vm := machine(t, program)
			taken := 0
			for j, frame := range list {
				n, err := vm.Run(frame)
				if err != nil {
					t.Fatal(err)
				}
				want := filter.Skip
				if n != 0 {
					want = filter.Accept
					taken++
				}
				if got := a.run(t, &f.Program, frame); got != want {
					t.Fatalf("%s, x/net/bpf has %s, for %x\n%s", VerdictName(got), VerdictName(want), frame, f.Explain(frame).Why)
				}
				if pcap != nil && pcap[uint32(j)] != (n != 0) {
					t.Fatalf("%s, libpcap takes the frame: %v: %x", VerdictName(want), pcap[uint32(j)], frame)
				}
			}
			if taken == 0 || taken == len(list) {
				t.Errorf("%d of %d frames match: the test compares nothing", taken, len(list))
			}
		})
	}
}

// machine returns the virtual machine that runs program.
func machine(t testing.TB, program []Instruction) *bpf.VM {
	t.Helper()
	raw := make([]bpf.RawInstruction, len(program))
	for i, in := range program {
		raw[i] = bpf.RawInstruction{Op: in.Op, Jt: in.JT, Jf: in.JF, K: in.K}
	}
	list, ok := bpf.Disassemble(raw)
	if !ok {
		t.Fatalf("x/net/bpf does not know all of %v", program)
	}
	vm, err := bpf.NewVM(list)
	if err != nil {
		t.Fatal(err)
	}
	return vm
}

// matching returns the numbers of the frames in file that libpcap's filter lets through.
func matching(t *testing.T, tcpdump, file, expression string) map[uint32]bool {
	t.Helper()
	out, err := exec.Command(tcpdump, "-r", file, "-w", "-", expression).Output()
	if err != nil {
		t.Fatalf("tcpdump %s: %v", expression, err)
	}
	set := map[uint32]bool{}
	for b := out[24:]; len(b) >= 16; {
		set[binary.LittleEndian.Uint32(b)] = true
		b = b[16+binary.LittleEndian.Uint32(b[8:]):]
	}
	return set
}

// compile returns what tcpdump prints for the expression.
func compile(t *testing.T, tcpdump, expression string) []Instruction {
	t.Helper()
	out, err := exec.Command(tcpdump, "-y", "EN10MB", "-ddd", expression).Output()
	if err != nil {
		t.Skipf("tcpdump -ddd: %v", err) // it may need a device
	}
	p, err := ParseClassic(string(out))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestClassicReturns: what a program's value means is the caller's choice.
func TestClassicReturns(t *testing.T) {
	a, frame := newArena(t), make([]byte, 60)
	frame[13], frame[14] = 1, 3
	for _, tc := range []struct {
		text    string
		returns Returns
		want    filter.Verdict
	}{
		{"1\n6 0 0 0\n", Matching, filter.Skip},
		{"1\n6 0 0 262144\n", Matching, filter.Accept},
		{"1\n6 0 0 1\n", Returns{Match: filter.Drop, Else: filter.VLAN}, filter.Drop},
		{"1\n6 0 0 0\n", Returns{Match: filter.Drop, Else: filter.VLAN}, filter.VLAN},
		{"1\n6 0 0 3\n", Returns{Codes: true}, filter.VLAN},
		{"1\n6 0 0 0\n", Returns{Codes: true}, filter.Drop},
		{"1\n6 0 0 4\n", Returns{Codes: true}, filter.Skip},
		{"2\n0 0 0 3\n22 0 0 0\n", Returns{Codes: true}, filter.VLAN},
		{"2\n0 0 0 77\n22 0 0 0\n", Returns{Codes: true}, filter.Skip},
		{"2\n48 0 0 60\n6 0 0 1\n", Matching, filter.Skip},
		{"2\n48 0 0 59\n6 0 0 1\n", Matching, filter.Accept},
		{"2\n48 0 0 60\n6 0 0 1\n", Returns{Codes: true}, filter.Drop},
		// Memory, shifts by 32 and more, a division by 0, an index that wraps.
		{"5\n0 0 0 3\n2 0 0 15\n0 0 0 0\n96 0 0 15\n22 0 0 0\n", Returns{Codes: true}, filter.VLAN},
		{"4\n1 0 0 32\n0 0 0 3\n108 0 0 0\n22 0 0 0\n", Returns{Codes: true}, filter.Drop},
		{"4\n1 0 0 33\n0 0 0 3\n124 0 0 0\n22 0 0 0\n", Returns{Codes: true}, filter.Drop},
		{"4\n1 0 0 1\n0 0 0 1\n108 0 0 0\n22 0 0 0\n", Returns{Codes: true}, filter.Skip},
		{"3\n1 0 0 0\n60 0 0 0\n6 0 0 1\n", Matching, filter.Skip},
		{"4\n1 0 0 3\n0 0 0 11\n156 0 0 0\n22 0 0 0\n", Returns{Codes: true}, filter.Skip},
		{"3\n1 0 0 4294967295\n80 0 0 2\n6 0 0 1\n", Matching, filter.Skip},
		{"3\n129 0 0 0\n135 0 0 0\n22 0 0 0\n", Matching, filter.Accept}, // ldx #pktlen
		// Linux's offsets: the network header, the frame, the protocol, a tag that was taken out.
		{"2\n48 0 0 4293918720\n22 0 0 0\n", Returns{Codes: true}, filter.VLAN},
		{"2\n48 0 0 4292870157\n22 0 0 0\n", Returns{Codes: true}, filter.Accept},
		{"2\n40 0 0 4294963200\n22 0 0 0\n", Returns{Codes: true}, filter.Accept},
		{"2\n40 0 0 4294963248\n22 0 0 0\n", Returns{Codes: true}, filter.Drop},
	} {
		p, err := ParseClassic(tc.text)
		if err != nil {
			t.Fatal(err)
		}
		f, err := Classic(p, tc.returns)
		if err != nil {
			t.Errorf("%q: %v", tc.text, err)
			continue
		}
		if got := a.run(t, &f.Program, frame); got != tc.want {
			t.Errorf("%q: %s, want %s: %s", tc.text, VerdictName(got), VerdictName(tc.want), f.Explain(frame).Why)
		}
		if got := f.Explain(frame).Verdict; got != tc.want {
			t.Errorf("%q: Explain has %s, want %s", tc.text, VerdictName(got), VerdictName(tc.want))
		}
	}
}

// TestClassicRefused: what is wrong is said, with the line or the instruction.
func TestClassicRefused(t *testing.T) {
	for _, tc := range []struct{ text, want string }{
		{"", "line 1"},
		{"udp", "not the number of instructions"},
		{"2\n6 0 0 0\n", "1 lines follow"},
		{"1\n6 0 0\n", "line 2"},
		{"1\n6 0 0 4294967296\n", "no number of 32 bits"},
		{"1\n6 256 0 0\n", "no number of 8 bits"},
		{"0\n", "0 instructions"},
		{"1\n40 0 0 12\n", "instruction 0 (ldh [12]): the program does not end here"},
		{"2\n21 0 1 0\n6 0 0 0\n", "instruction 0 (jeq #0x0 jt 0 jf 1): the program does not end here"},
		{"2\n5 0 0 4294967295\n6 0 0 0\n", "does not end here"},
		{"2\n52 0 0 0\n6 0 0 0\n", "instruction 0 (div #0x0): it divides by zero"},
		{"2\n100 0 0 32\n6 0 0 0\n", "it shifts by 32"},
		{"2\n96 0 0 3\n6 0 0 0\n", "M[3] was not written on all ways"},
		{"2\n96 0 0 16\n6 0 0 0\n", "no words of memory above M[15]"},
		{"2\n2 0 0 16\n6 0 0 0\n", "no words of memory above M[15]"},
		{"2\n48 0 0 4294963240\n6 0 0 0\n", "the ancillary data at 40 is not there"},
		{"2\n255 0 0 0\n6 0 0 0\n", "no such instruction"},
		{"5\n21 0 1 0\n2 0 0 1\n0 0 0 1\n96 0 0 1\n6 0 0 0\n", "instruction 3 (ld M[1]): M[1] was not written on all ways"},
	} {
		p, err := ParseClassic(tc.text)
		if err == nil {
			_, err = Classic(p, Matching)
		}
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%q: %v, want %q", tc.text, err, tc.want)
		}
	}
	long := make([]Instruction, 300)
	for i := range long {
		long[i] = Instruction{Op: clAlu | aluAdd, K: 1}
	}
	long[299] = Instruction{Op: classicRet}
	if _, err := Classic(long, Matching); err == nil || !strings.Contains(err.Error(), "longest path takes 302 steps") {
		t.Errorf("300 instructions in a row: %v, want them refused as too many steps", err)
	}
}
