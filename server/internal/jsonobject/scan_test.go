package jsonobject

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

var seeds = []string{
	`{}`, ` { } `, `{"a":1}`, `{"a":1,"b":[true,false,null,{"c":{}}]} `, `{"a":"x","a":"y"}`, `{"\u0061":1}`, `[]`, `1`, ``, `{"a":1}x`, `{"a":1,}`, `{,}`, `{"a"}`, `{"a":}`, `{"a" : 1 , "b" : [ 1 , 2 ] }`,
	`{"a":[1,]}`, `{"a":[}`, `{"a":{]}`, `{"a":[1}}`, `{"a":{"b":1]}`, `{"a":01}`, `{"a":-}`, `{"a":-0}`, `{"a":1.}`, `{"a":1.5e+3}`, `{"a":1e}`, `{"a":.5}`, `{"a":+1}`, `{"a":1e999}`, `{"a":tru}`, `{"a":nul`,
	`{"a":"\ud83d\ude00"}`, `{"a":"\ud83d"}`, `{"a":"\ude00\ud83d"}`, `{"a":"\ud83d\u0061"}`, `{"a":"\ud83dxxxxxxxxxx"}`, `{"a":"\u00g0"}`, `{"a":"\x"}`, `{"a":"\`, `{"a":"\u12`, "{\"a\":\"\x1f\"}", "{\"a\":\"\x7f\"}", "{\"a\":\"\xff\"}", "{\"a\":\"\xed\xa0\x80\"}", `{"a":"日本語"}`, "{\"a\":\"\xe6\x97\"}",
	`{"a":"0123456789012345678901234567890123456789"}`, `{"a":"012345678901234567\"8901234567890123456789"}`, `{"a":"01234567890123456789é0123456789012"}`, "{\"a\":\"0123456789012345678901234\x00567890123456789\"}",
	"\xef\xbb\xbf{}", "{\"a\":1\v}", "{\"a\"\u00a0:1}", `{"a":1}{}`, `{"a":"` + strings.Repeat(`é`, 40) + `"}`,
}

// read is what Read makes of a text.
func read(text []byte) (members []string, err error) {
	dec := jsontext.NewDecoder(bytes.NewBuffer(text), jsontext.AllowDuplicateNames(true))
	err = Read(dec, func(name []byte) (bool, error) {
		n := string(name)
		value, err := Value(dec, text)
		members = append(members, n+"="+string(value))
		return true, err
	})
	return members, err
}

func scan(text []byte) (members []string, ok bool) {
	ok = Scan(text, func(name, value []byte) bool {
		members = append(members, string(name)+"="+string(value))
		return true
	})
	return members, ok
}

// FuzzScan holds Scan against Read, and Whole against both decoders: what it
// takes they take as well. What it leaves to Read has a reason.
func FuzzScan(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	for _, n := range []int{deepest - 1, deepest, deepest + 1} {
		f.Add([]byte(`{"a":` + strings.Repeat(`[`, n) + strings.Repeat(`]`, n) + `}`))
		f.Add([]byte(`{"a":` + strings.Repeat(`{"b":`, n) + `1` + strings.Repeat(`}`, n) + `}`))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		want, err := read(text)
		got, ok := scan(text)
		switch {
		case ok && err != nil:
			t.Fatalf("took %q: %v", text, err)
		case ok && strings.Join(got, "\n") != strings.Join(want, "\n"):
			t.Fatalf("%q: %q, want %q", text, got, want)
		case !ok && err == nil && !deep(text) && bytes.IndexByte(text, '\\') < 0:
			t.Fatalf("left %q", text)
		}
		whole := Whole(text)
		if whole && !(json.Valid(text) && utf8.Valid(text) && jsontext.Value(text).IsValid(jsontext.AllowDuplicateNames(true))) {
			t.Fatalf("%q is not whole", text)
		}
		if !whole && !deep(text) && len(text) > 0 && len(bytes.TrimSpace(text)) == len(text) && jsontext.Value(text).IsValid(jsontext.AllowDuplicateNames(true)) {
			t.Fatalf("%q is whole", text)
		}
	})
}

// deep says that text may be nested deeper than is followed.
func deep(text []byte) bool {
	return bytes.Count(text, []byte(`[`))+bytes.Count(text, []byte(`{`)) > deepest
}

// Each byte at each place of a string: the eight bytes that are looked at
// together must not hide one another.
func TestEachByteAtEachPlace(t *testing.T) {
	for length := range 40 {
		text := []byte(`{"a":"` + strings.Repeat("x", length) + `"}`)
		for at := range length {
			for c := range 256 {
				text[6+at] = byte(c)
				_, ok := scan(text)
				want := c >= ' ' && c < 0x80 && c != '"' && (c != '\\')
				if c == '\\' {
					_, err := read(text)
					want = err == nil
				}
				if ok != want {
					t.Fatalf("%q: %v", text, ok)
				}
			}
			text[6+at] = 'x'
		}
	}
}

func TestScanStopsWhereMemberSaysSo(t *testing.T) {
	n := 0
	if Scan([]byte(`{"a":1,"b":2,"c":3}`), func(name, _ []byte) bool { n++; return string(name) != "b" }) || n != 2 {
		t.Errorf("%d members", n)
	}
}

func BenchmarkScan(b *testing.B) {
	objects := []byte(`{"input":[` + strings.TrimSuffix(strings.Repeat(`{"name":"Ada","n":12.5,"tags":["x","y"],"ok":true},`, 20_000), ",") + `]}`)
	for _, tc := range []struct {
		name string
		text []byte
	}{
		{"small", []byte(`{"input":{"message":"hello","n":42}}`)},
		{"string", []byte(`{"input":"` + strings.Repeat("x", 1<<20) + `"}`)},
		{"text", []byte(`{"input":"` + strings.Repeat(`the quick brown fox jumps over the \"lazy\" dog\n`, 20_000) + `"}`)},
		{"not ASCII", []byte(`{"input":"` + strings.Repeat("日本語", 100_000) + `"}`)},
		{"objects", objects},
	} {
		b.Run(tc.name+"/scan", func(b *testing.B) {
			b.SetBytes(int64(len(tc.text)))
			b.ReportAllocs()
			for b.Loop() {
				if !Scan(tc.text, func(_, _ []byte) bool { return true }) {
					b.Fatal("left")
				}
			}
		})
		b.Run(tc.name+"/read", func(b *testing.B) {
			b.SetBytes(int64(len(tc.text)))
			buf := bytes.NewBuffer(nil)
			dec := jsontext.NewDecoder(buf)
			for b.Loop() {
				*buf = *bytes.NewBuffer(tc.text)
				dec.Reset(buf, jsontext.AllowDuplicateNames(true))
				if err := Read(dec, func([]byte) (bool, error) { return false, nil }); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
