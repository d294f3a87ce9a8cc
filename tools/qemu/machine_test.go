package qemu

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestCommandLine(t *testing.T) {
	wire, err := NewWire()
	if err != nil {
		t.Fatal(err)
	}
	defer wire.Close()
	barrier, err := NewBarrier()
	if err != nil {
		t.Fatal(err)
	}
	defer barrier.Close()
	const board = "-M mcimx6ul-evk -cpu cortex-a7 -m 512M -kernel k.elf -display none -monitor none -no-reboot "
	tests := []struct {
		name    string
		machine Machine
		want    string
	}{
		{"bare", Machine{Kernel: "k.elf"}, board + "-serial null -nic none"},
		{"virt", Machine{Board: Virt, Kernel: "k.elf", Args: []string{"-smp", "2"}},
			"-M virt,gic-version=3 -cpu cortex-a53 -m 512M -kernel k.elf -display none -monitor none -no-reboot " +
				"-serial null -nic none -smp 2"},
		{"serial log with a comma", Machine{Kernel: "k.elf", Serial: "a,b.log"},
			board + "-chardev file,id=serial0,path=a,,b.log -serial chardev:serial0 -nic none"},
		{"data directory", Machine{Kernel: "k.elf", Emulator: &Emulator{Data: "/r/usr/share/qemu"}},
			board + "-L /r/usr/share/qemu -serial null -nic none"},
		{"virtual time", Machine{Kernel: "k.elf", Icount: &Icount{Shift: 3}, Args: []string{"-S"}},
			board + "-serial null -icount shift=3,sleep=off -seed 1 -rtc base=2026-01-01T00:00:00,clock=vm -nic none -S"},
		{"live peers", Machine{Kernel: "k.elf", Icount: &Icount{Shift: 3, Sleep: true}, Ports: []Port{
			{PCAP: "0.pcap"},
			{Net: User{Restricted: true, Forward: []Forward{{"tcp", "127.0.0.1:8080", "10.0.2.15:80"}}}},
		}},
			board + "-serial null -icount shift=3,sleep=on -seed 1 -rtc base=2026-01-01T00:00:00,clock=vm " +
				"-netdev hubport,id=net0,hubid=1 -net nic,netdev=net0 " +
				"-object filter-dump,id=net0-dump,netdev=net0,queue=all,file=0.pcap " +
				"-netdev user,id=net1,restrict=on,hostfwd=tcp:127.0.0.1:8080-10.0.2.15:80 -net nic,netdev=net1"},
		{"hub", Machine{Kernel: "k.elf", Ports: []Port{{}, {Net: Hub{User{Restricted: true}, Unconnected{}}, PCAP: "1.pcap"}}},
			board + "-serial null -netdev hubport,id=net0,hubid=1 -net nic,netdev=net0 " +
				"-netdev user,id=net1-end0,restrict=on -netdev hubport,id=net1-end0-port,hubid=2,netdev=net1-end0 " +
				"-netdev hubport,id=net1-end1,hubid=3 -netdev hubport,id=net1-end1-port,hubid=2,netdev=net1-end1 " +
				"-netdev hubport,id=net1,hubid=2 -net nic,netdev=net1 " +
				"-object filter-dump,id=net1-dump,netdev=net1,queue=all,file=1.pcap"},
		{"lock step", Machine{Kernel: "k.elf", Ports: []Port{
			{Net: wire, PCAP: "0.pcap", Release: 30011 * time.Microsecond, Barrier: barrier},
		}},
			board + "-serial null -netdev dgram,id=net0,local.type=fd,local.str=3 -net nic,netdev=net0 " +
				"-object filter-buffer,id=net0-release,netdev=net0,queue=tx,interval=30011 " +
				"-object filter-dump,id=net0-dump,netdev=net0,queue=all,file=0.pcap " +
				"-chardev socket,id=net0-gate0-socket,fd=4 " +
				"-object filter-mirror,id=net0-gate0,netdev=net0,queue=tx,outdev=net0-gate0-socket " +
				"-chardev socket,id=net0-gate1-socket,fd=5 " +
				"-object filter-mirror,id=net0-gate1,netdev=net0,queue=tx,outdev=net0-gate1-socket"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := test.machine.CommandLine()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.Fields(test.want), got); diff != "" {
				t.Errorf("CommandLine (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCommandLineErrors(t *testing.T) {
	if _, err := (&Machine{}).CommandLine(); err == nil {
		t.Error("CommandLine without a kernel: no error")
	}
	if _, err := (&Machine{Board: Virt, Kernel: "k.elf", Ports: make([]Port, 1)}).CommandLine(); err == nil {
		t.Error("CommandLine of virt with a port: no error")
	}
	used := &Wire{}
	if _, err := (&Machine{Kernel: "k.elf", Ports: []Port{{Net: used}}}).CommandLine(); err == nil {
		t.Error("CommandLine with a wire that another machine has: no error")
	}
}
