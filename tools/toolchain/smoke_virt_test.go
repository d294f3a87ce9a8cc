package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

func machineVirt(path, elf string) []string {
	return []string{path, "-M", "virt,gic-version=3", "-cpu", "cortex-a53", "-m", "512M", "-nographic", "-monitor", "none",
		"-serial", "stdio", "-nic", "none", "-kernel", elf}
}

// TestPreemptionARM64 is TestPreemptionARM on arm64, on our board virt.
func TestPreemptionARM64(t *testing.T) {
	version, err := exec.Command(tamagoGo(t), "env", "GOVERSION").Output()
	if err != nil || !strings.Contains(string(version), "-mortise.") {
		t.Skipf("%s, %v: not a Go of this tool's: it does not preempt", version, err)
	}
	path := qemu(t, "MORTISE_QEMU_AARCH64", "qemu-system-aarch64", "virt")
	seconds, limit := "2", time.Minute
	long := os.Getenv("MORTISE_TOOLCHAIN_STD") != ""
	if long {
		seconds, limit = "20", 10*time.Minute
	}
	flags := "-T 0x40200000 -R 0x1000 -X main.mode=preempt -X main.preemptFor=" + seconds
	elf := buildFirmware(t, "arm64", "-tags", "virt", "-ldflags", flags+" -X main.slice=100")
	log := boot(t, "smoke: exit", limit, append(machineVirt(path, elf), "-icount", "shift=3,sleep=off")...)
	wantLines(t, log, "preemption checks passed")

	if long {
		elf = buildFirmware(t, "arm64", "-tags", "virt", "-ldflags", flags)
		log = boot(t, "smoke: exit", limit, machineVirt(path, elf)...)
		wantLines(t, log, "preemption checks passed")
	}
}
