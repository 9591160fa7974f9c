package core

import (
	"strings"
	"testing"
)

func TestIDReadsBack(t *testing.T) {
	id := ID{0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0x4d, 0xef, 0x81, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef}
	const text = "01234567-89ab-4def-8123-456789abcdef"
	wantEqual(t, "string", id.String(), text)
	wantEqual(t, "append", string(id.AppendTo([]byte("id="))), "id="+text)
	for _, s := range []string{text, strings.ToUpper(text)} {
		got, err := ParseID(s)
		if err != nil || got != id {
			t.Fatal(s, got, err)
		}
	}
}

func TestIDHasOneForm(t *testing.T) {
	for _, s := range []string{
		"", "x", "0123456789ab4def8123456789abcdef", "{01234567-89ab-4def-8123-456789abcdef}",
		"urn:uuid:01234567-89ab-4def-8123-456789abcdef", "01234567-89ab-4def-8123-456789abcde", "01234567-89ab-4def-8123-456789abcdeg",
		"01234567x89ab-4def-8123-456789abcdef",
	} {
		if id, err := ParseID(s); err == nil {
			t.Errorf("%q was taken for %s", s, id)
		}
	}
}

func FuzzParseID(f *testing.F) {
	f.Add("01234567-89ab-4def-8123-456789abcdef")
	f.Add("{01234567-89ab-4def-8123-456789abcdef}")
	f.Add("urn:uuid:01234567-89ab-4def-8123-456789abcdef")
	f.Fuzz(func(t *testing.T, s string) {
		id, err := ParseID(s)
		if err != nil {
			return
		}
		if !strings.EqualFold(id.String(), s) {
			t.Fatalf("%q reads as %s", s, id)
		}
	})
}
