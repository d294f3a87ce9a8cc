package transcript_test

import (
	"fmt"
	"testing"

	"mortise/stack/files/transcript"
)

func TestText(t *testing.T) {
	for said, want := range map[string]struct{ start, all string }{
		"":               {"", ""},
		"abc":            {"abc", "abc"},
		"abcd":           {"abcd", "abcd"},
		"abcdef":         {"abcd", "abcdef"},
		"abcdefg":        {"abcd", "abcdefg"},
		"abcdefgh":       {"abcd", "abcd\n[1 bytes are not kept]\nfgh"},
		"abcdefghijklmn": {"abcd", "abcd\n[7 bytes are not kept]\nlmn"},
	} {
		text := transcript.Text{First: make([]byte, 4), Last: make([]byte, 3)}
		fmt.Fprint(&text, said)
		if got := string(text.Start()); got != want.start {
			t.Errorf("%q: start %q, want %q", said, got, want.start)
		}
		if got := string(text.Bytes()); got != want.all {
			t.Errorf("%q: %q, want %q", said, got, want.all)
		}
		if n := len(text.Bytes()); n > text.Limit() {
			t.Errorf("%q: %d bytes, at most %d", said, n, text.Limit())
		}
	}
}

// What is left out is told even if there is no room for an end.
func TestBeginningOnly(t *testing.T) {
	text := transcript.Text{First: make([]byte, 2)}
	fmt.Fprint(&text, "abc")
	if got, want := string(text.Bytes()), "ab\n[1 bytes are not kept]\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestPutAllocatesNothing(t *testing.T) {
	text := transcript.Text{First: make([]byte, 4), Last: make([]byte, 3)}
	if n := testing.AllocsPerRun(100, func() { text.Put('x') }); n != 0 {
		t.Errorf("Put allocates %v times", n)
	}
}
