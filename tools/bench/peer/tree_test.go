package peer

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/u-root/u-root/pkg/dt"
)

func TestWriteTree(t *testing.T) {
	first, second := bytes.Repeat([]byte{1}, interruptSize), bytes.Repeat([]byte{2}, interruptSize)
	mac := dt.NewNode(macNode, dt.WithProperty(
		dt.Property{Name: "interrupts", Value: append(bytes.Clone(first), second...)},
		dt.Property{Name: "interrupt-names", Value: []byte("int0\x00pps\x00")},
		dt.PropertyString("phy-mode", "rmii")))
	other := dt.NewNode("ethernet@2188000", dt.WithProperty(dt.Property{Name: "interrupts", Value: second}))
	tree := &dt.FDT{Header: dt.Header{Magic: dt.Magic, Version: 17, LastCompVersion: 16}, RootNode: dt.NewNode("", dt.WithChildren(dt.NewNode("soc", dt.WithChildren(mac, other))))}
	k := &Kernel{Dir: t.TempDir()}
	var b bytes.Buffer
	if _, err := tree.Write(&b); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(k.file(treeFile), b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "tree.dtb")
	if err := writeTree(path, k); err != nil {
		t.Fatal(err)
	}
	b2, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got, err := dt.ReadFDT(bytes.NewReader(b2))
	if err != nil {
		t.Fatal(err)
	}
	mac.UpdateProperty("interrupts", first)
	mac.UpdateProperty("interrupt-names", []byte("int0\x00"))
	if diff := cmp.Diff(tree.RootNode, got.RootNode); diff != "" {
		t.Errorf("tree (-want +got):\n%s", diff)
	}
	// What has been changed already is not what the kernel's package has.
	if err := dropPPS(got); err == nil {
		t.Error("a tree without pps: no error")
	}
}
