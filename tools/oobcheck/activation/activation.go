// Package activation compares the longest activation that a machine has seen with the static bound that tools/oobcheck
// computes from its image.
//
// The stage itself takes the time of each activation, from the vector's first instruction until dispatch has returned, by
// the virtual counter, and keeps the longest. With QEMU's icount the counter tells instructions: at shift 3 it moves by one
// every two. What comes behind, the return to in-band, is counted in the bound and not in the measurement: twelve
// instructions.
//
// Stage: none (host). Follows: docs/oobcheck.md. Does not support: machines without icount.
package activation

import (
	"debug/dwarf"
	"debug/elf"
	"encoding/binary"
	"fmt"

	"mortise/tools/oobcheck/check"
	"mortise/tools/qemu"
)

const (
	// tickNS is the virtual counter's period in QEMU: 62.5 MHz.
	tickNS = 16

	control = "mortise/stack/stage.ctl"
	longest = "longest"
)

// Bound is what is known of an image before it runs.
type Bound struct {
	Instructions int64 // of the longest activation, at worst
	addr         uint64
}

// Of returns the bound of the image in file, which was built from the module at root with the tags.
func Of(file, root string, tags []string) (*Bound, error) {
	r, err := check.Run(check.Gateway(file, root, tags))
	if err != nil {
		return nil, err
	}
	b := &Bound{Instructions: r.Activation()}
	if b.Instructions < 0 {
		return nil, fmt.Errorf("%s: an activation has no static bound", file)
	}
	b.addr, err = field(file, control, longest)
	return b, err
}

// Measured returns how many instructions the longest activation of the machine behind m took since reset, rounded up to
// what the counter resolves, at 2^shift nanoseconds an instruction.
func (b *Bound) Measured(m *qemu.Monitor, shift int) (int64, error) {
	word, err := m.Memory(b.addr, 4)
	if err != nil {
		return 0, err
	}
	ns := (int64(binary.LittleEndian.Uint32(word)) + 1) * tickNS
	return ns >> shift, nil
}

// Check returns an error if an activation took longer than it can.
func (b *Bound) Check(measured int64) error {
	if measured > b.Instructions {
		return fmt.Errorf("an activation took %d instructions, its static bound is %d: one of them is wrong", measured, b.Instructions)
	}
	return nil
}

// field returns the address of a member of a variable of the image's.
func field(file, variable, member string) (uint64, error) {
	symbols, err := variables(file)
	if err != nil {
		return 0, err
	}
	f, err := elf.Open(file)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	data, err := f.DWARF()
	if err != nil {
		return 0, fmt.Errorf("%s: %w", file, err)
	}
	offset, err := offsetOf(data, variable, member)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", file, err)
	}
	at, ok := symbols[variable]
	if !ok {
		return 0, fmt.Errorf("%s: no symbol %s", file, variable)
	}
	return at + uint64(offset), nil
}

// offsetOf returns where a member of a variable's structure lies in it.
func offsetOf(data *dwarf.Data, variable, member string) (int64, error) {
	for r := data.Reader(); ; {
		e, err := r.Next()
		if err != nil {
			return 0, err
		}
		if e == nil {
			return 0, fmt.Errorf("no variable %s", variable)
		}
		if e.Tag != dwarf.TagCompileUnit {
			r.SkipChildren()
		}
		if name, _ := e.Val(dwarf.AttrName).(string); e.Tag != dwarf.TagVariable || name != variable {
			continue
		}
		at, _ := e.Val(dwarf.AttrType).(dwarf.Offset)
		t, err := data.Type(at)
		if err != nil {
			return 0, err
		}
		if named, ok := t.(*dwarf.TypedefType); ok {
			t = named.Type
		}
		if s, ok := t.(*dwarf.StructType); ok {
			for _, f := range s.Field {
				if f.Name == member {
					return f.ByteOffset, nil
				}
			}
		}
		return 0, fmt.Errorf("%s has no member %s", variable, member)
	}
}

// variables returns the address of each symbol of the image.
func variables(file string) (map[string]uint64, error) {
	f, err := elf.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	list, err := f.Symbols()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	symbols := map[string]uint64{}
	for _, s := range list {
		symbols[s.Name] = s.Value
	}
	return symbols, nil
}
