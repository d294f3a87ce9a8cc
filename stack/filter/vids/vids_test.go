package vids

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, tc := range []struct{ list, want string }{
		{"", ""},
		{"  ", ""},
		{"42", "42"},
		{"2", "2"},
		{"4094", "4094"},
		{"42-45,100", "42-45,100"},
		{" 42 - 45 , 100 ", "42-45,100"},
		{"100,42-45", "42-45,100"},
		{"42,43,44", "42-44"},
		{"42-44,44-50,46", "42-50"},
		{"7-7", "7"},
		{"2-4094", "2-4094"},
		{"042", "42"},
		{"31,32,33,63-65", "31-33,63-65"},
	} {
		set, err := Parse(tc.list)
		if err != nil {
			t.Errorf("Parse(%q): %v", tc.list, err)
		} else if got := Format(&set); got != tc.want {
			t.Errorf("Format(Parse(%q)) = %q, want %q", tc.list, got, tc.want)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for _, tc := range []struct{ list, want string }{
		{"0", "VLAN ID 0 marks a priority tag"},
		{"1", "VLAN ID 1 is the default VLAN"},
		{"4095", "VLAN ID 4095 is reserved"},
		{"4096", "4096 is no VLAN ID"},
		{"99999999999999999999", "is no number"},
		{"0-10", "VLAN ID 0"},
		{"1-10", "VLAN ID 1 "},
		{"4000-4095", "VLAN ID 4095"},
		{"45-42", "ends before it starts"},
		{"42,", `"" is no number`},
		{",", `"" is no number`},
		{"-42", `"" is no number`},
		{"42-", `"" is no number`},
		{"42-43-44", `"43-44" is no number`},
		{"+42", `"+42" is no number`},
		{"0x2a", `"0x2a" is no number`},
		{"42 43", `"42 43" is no number`},
		{"vlan", `"vlan" is no number`},
	} {
		set, err := Parse(tc.list)
		if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), tc.list) {
			t.Errorf("Parse(%q) = %v, want an error with %q and the list", tc.list, err, tc.want)
		}
		if got := Format(&set); got != "" {
			t.Errorf("Parse(%q) = %q beside the error, want the empty set", tc.list, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, list := range []string{"", "42-45,100", "2-4094", "0", "1", "4095", "45-42", "42,,43", " 7 - 9 "} {
		f.Add(list)
	}
	f.Fuzz(func(t *testing.T, list string) {
		set, err := Parse(list)
		if err != nil {
			return
		}
		for _, vid := range []uint16{0, 1, 4095} {
			if set.Has(vid) {
				t.Errorf("Parse(%q) has %d", list, vid)
			}
		}
		again, err := Parse(Format(&set))
		if err != nil || again != set {
			t.Errorf("Parse(Format(Parse(%q))) = %q, %v, want %q", list, Format(&again), err, Format(&set))
		}
	})
}
