package inband

import (
	"os"
	"testing"

	"mortise/tools/bench/latency"
	"mortise/tools/qemu"
)

// In-band's cost keeps its bounds, and is no higher than that of stock TamaGo and gVisor on the same board.
func TestGates(t *testing.T) {
	if testing.Short() {
		t.Skip("boots three firmwares")
	}
	toolchain := os.Getenv("MORTISE_TAMAGO_GO")
	ours, spin, stock := os.Getenv("MORTISE_INBAND_ELF"), os.Getenv("MORTISE_INBAND_SPIN_ELF"), os.Getenv("MORTISE_STOCKPEER_ELF")
	if toolchain == "" && ours == "" {
		t.Skip("no firmware: set MORTISE_INBAND_ELF (and MORTISE_INBAND_SPIN_ELF, MORTISE_STOCKPEER_ELF), or MORTISE_TAMAGO_GO to build it")
	}
	emulator, err := qemu.Find("")
	if err != nil {
		t.Skip(err)
	}
	images := Images{Ours: ours, Spin: spin, Stock: stock}
	if ours == "" {
		root, err := latency.Root()
		if err != nil {
			t.Fatal(err)
		}
		if images, err = Build(t.Context(), root, toolchain, t.TempDir(), os.Stderr); err != nil {
			t.Fatal(err)
		}
	}
	report, err := Measure(t.Context(), emulator, images, t.TempDir(), Cases())
	if err != nil {
		t.Fatal(err)
	}
	if err := report.WriteText(t.Output(), Cases()); err != nil {
		t.Error(err)
	}
	for _, missed := range report.Check(Cases()) {
		t.Error(missed)
	}
}
