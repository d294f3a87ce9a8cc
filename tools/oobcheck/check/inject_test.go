package check

import (
	"os"
	"testing"
)

// envInject names the image with fault injection; make test sets it.
const envInject = "MORTISE_INJECT_ELF"

// The image whose oob code breaks the rules on purpose is refused, for each fault that can be seen before it runs. A nil
// pointer and a wild store are not among them.
func TestInjectedFaultsAreFound(t *testing.T) {
	elf := os.Getenv(envInject)
	if elf == "" {
		t.Skipf("%s names no image with fault injection: run make test", envInject)
	}
	r, err := Run(Gateway(elf, absolute(t), []string{"inject"}))
	if err != nil {
		t.Fatal(err)
	}
	injected := map[string]bool{
		"main.injected": true, "main.recurse": true, "main.endless": true, "main.wildJump": true,
		"main.undefinedInstruction": true, "main.hang": true,
	}
	found := map[string]bool{}
	for _, f := range r.Entries[0].Findings {
		if !injected[f.Chain[len(f.Chain)-1].Func] {
			t.Errorf("found outside of the injected faults: %v", f)
		}
		found[f.Kind] = true
	}
	for _, kind := range []string{"bounds check", "division", "recursion", "panic", "map", "allocation", "loop", "indirect call", "trap"} {
		if !found[kind] {
			t.Errorf("no %s was found, of which the image has one", kind)
		}
	}
}
