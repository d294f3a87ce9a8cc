package peer

import (
	"bytes"
	"fmt"
	"os"

	"github.com/u-root/u-root/pkg/dt"
)

// macNode is ENET2 in the device tree.
const macNode = "ethernet@20b4000"

// interruptSize is the size of an interrupt in the tree: type, number, flags (Linux,
// Documentation/devicetree/bindings/interrupt-controller/arm,gic.yaml).
const interruptSize = 12

// writeTree writes the kernel's device tree without the second interrupt of the MAC, "pps". QEMU raises it with the first,
// at every frame; the i.MX6UL does not. Under PREEMPT_RT its thread runs 100,000 times for nothing, until the kernel
// gives up on it.
func writeTree(path string, k *Kernel) error {
	b, err := os.ReadFile(k.file(treeFile))
	if err != nil {
		return err
	}
	tree, err := dt.ReadFDT(bytes.NewReader(b))
	if err != nil {
		return fmt.Errorf("%s: %w", k.file(treeFile), err)
	}
	if err := dropPPS(tree); err != nil {
		return fmt.Errorf("%s: %w", k.file(treeFile), err)
	}
	var out bytes.Buffer
	if _, err := tree.Write(&out); err != nil {
		return err
	}
	return os.WriteFile(path, out.Bytes(), 0o644)
}

func dropPPS(tree *dt.FDT) error {
	node, ok := tree.NodeByName(macNode)
	if !ok {
		return fmt.Errorf("no node %s", macNode)
	}
	names, ok := node.LookProperty("interrupt-names")
	if !ok || !bytes.Equal(names.Value, []byte("int0\x00pps\x00")) {
		return fmt.Errorf("%s: the interrupts are not int0 and pps", macNode)
	}
	interrupts, ok := node.LookProperty("interrupts")
	if !ok || len(interrupts.Value) != 2*interruptSize {
		return fmt.Errorf("%s: not two interrupts", macNode)
	}
	node.UpdateProperty("interrupt-names", []byte("int0\x00"))
	node.UpdateProperty("interrupts", interrupts.Value[:interruptSize])
	return nil
}
