package core

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"os"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

var updateSample = flag.Bool("update-facts", false, "write testdata/facts-v1.hex anew; only before a format is released")

const sampleFile = "testdata/facts-v1.hex"

// sampleFacts has one of each kind, with every field in some.
func sampleFacts() []Fact {
	const wall = 1_700_000_000_123_456_789
	id, letter := ID{0: 1, 9: 0xfe, 15: 2}, ID{0: 3, 15: 4}
	return []Fact{
		{Kind: FactFunctionSet, Wall: wall, Function: "resize.v1", Registration: 7, Generation: 3, Data: []byte(`{"name":"resize.v1","concurrency":4}`)},
		{Kind: FactFunctionGone, Wall: wall, Function: "resize.v1", Registration: 7},
		{
			Kind: FactAccepted, Wall: wall, Function: "resize.v1", Registration: 7, ID: id, Letter: letter, Timeout: 30e9,
			Key: "order-17", Print: Fingerprint{1, 2, 3}, TraceID: "t-1",
			TraceParent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", TraceState: "a=b",
			Input: []byte(`{"n":1}`), Metadata: []byte(`{"k":"v"}`),
		},
		{Kind: FactStarted, Wall: wall + 1, Function: "resize.v1", Registration: 7, ID: id, Attempt: 1},
		{Kind: FactRetried, Wall: wall + 2, Function: "resize.v1", Registration: 7, ID: id, Attempt: 2, RetryAt: wall + 1e9, Code: "POOL_ERROR", Message: "503"},
		{Kind: FactRequeued, Wall: wall + 1e9, Function: "resize.v1", Registration: 7, ID: id, Attempt: 2},
		{Kind: FactEnded, Wall: wall + 2e9, Function: "resize.v1", Registration: 7, ID: id, Attempt: 2, Status: Success, Output: []byte(`[1]`), Cold: true, InitMillis: 120},
		{Kind: FactEnded, Wall: wall + 2e9, Function: "resize.v1", Registration: 7, ID: id, Attempt: 2, Status: Success, Echo: true, InitMillis: -1},
		{Kind: FactEnded, Wall: wall + 2e9, Function: "resize.v1", Registration: 7, ID: id, Attempt: 2, Status: Error, Code: CodeCancelled, Message: "cancelled", SharedError: true, Unwanted: true, InitMillis: -1},
		{Kind: FactPurged, Wall: wall, Function: "resize.v1"},
		{Kind: FactConfig, Wall: wall, Data: []byte(`{"revision":2}`)},
	}
}

// What was stored in the first format is read for ever, as what it was.
func TestFactsOfFormat1AreRead(t *testing.T) {
	want := sampleFacts()
	if *updateSample {
		var b strings.Builder
		for i := range want {
			b.WriteString(hex.EncodeToString(want[i].AppendTo(nil)) + "\n")
		}
		if err := os.WriteFile(sampleFile, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(sampleFile)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Fields(string(text))
	if len(lines) != len(want) {
		t.Fatalf("%s has %d facts, want %d", sampleFile, len(lines), len(want))
	}
	for i, line := range lines {
		stored, err := hex.DecodeString(line)
		if err != nil {
			t.Fatal(err)
		}
		got, err := DecodeFact(stored)
		if err != nil {
			t.Fatalf("fact %d: %v", i, err)
		}
		if !reflect.DeepEqual(got, want[i]) {
			t.Errorf("fact %d:\n got %+v\nwant %+v", i, got, want[i])
		}
	}
}

// Every field of Fact is stored: one that is left out of the list would be lost
// at a restart.
func TestEveryFieldOfAFactIsStored(t *testing.T) {
	whole := reflect.TypeFor[Fact]()
	for i := range whole.NumField() {
		f := Fact{Kind: FactAccepted}
		v := reflect.ValueOf(&f).Elem().Field(i)
		switch v.Kind() {
		case reflect.Slice:
			v.SetBytes([]byte{1})
		case reflect.Array:
			v.Index(0).SetUint(1)
		case reflect.String:
			v.SetString("x")
		case reflect.Bool:
			v.SetBool(true)
		case reflect.Uint8, reflect.Uint64:
			v.SetUint(3)
		default:
			v.SetInt(-3)
		}
		got, err := DecodeFact(f.AppendTo(nil))
		if err != nil || !reflect.DeepEqual(got, f) {
			t.Errorf("%s: got %+v, %v", whole.Field(i).Name, got, err)
		}
	}
}

func TestFactsOfOtherFormatsAreRefused(t *testing.T) {
	stored := sampleFactOf(FactAccepted)
	newer := bytes.Clone(stored)
	newer[0] = factVersion + 1
	if _, err := DecodeFact(newer); !errors.Is(err, ErrFactVersion) || !strings.Contains(err.Error(), "format 2") {
		t.Errorf("a newer format: %v", err)
	}
	for name, change := range map[string]func([]byte) []byte{
		"empty":          func(b []byte) []byte { return nil },
		"unknown kind":   func(b []byte) []byte { b[1] = 200; return b },
		"unknown fields": func(b []byte) []byte { b[5] |= 0x80; return b },
		"more bytes":     func(b []byte) []byte { return append(b, 0) },
	} {
		if f, err := DecodeFact(change(bytes.Clone(stored))); err == nil {
			t.Errorf("%s: read as %+v", name, f)
		}
	}
	for n := range len(stored) {
		if _, err := DecodeFact(stored[:n]); err == nil {
			t.Errorf("the first %d of %d bytes are read", n, len(stored))
		}
	}
}

func sampleFactOf(kind FactKind) []byte {
	for _, f := range sampleFacts() {
		if f.Kind == kind {
			return f.AppendTo(nil)
		}
	}
	panic("no sample of " + kind.String())
}

func drawFact(t *rapid.T) Fact {
	text := rapid.StringN(0, 20, -1)
	some := func(label string) []byte {
		b := rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, label)
		if len(b) == 0 {
			return nil
		}
		return b
	}
	id := func(label string) (id ID) {
		copy(id[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, label))
		return id
	}
	return Fact{
		Kind: rapid.SampledFrom([]FactKind{FactFunctionSet, FactFunctionGone, FactAccepted, FactStarted, FactRetried, FactRequeued, FactEnded, FactPurged, FactConfig}).Draw(t, "kind"),
		Wall: rapid.Int64().Draw(t, "wall"), Function: text.Draw(t, "function"), Registration: rapid.Uint64().Draw(t, "registration"),
		Generation: rapid.Uint64().Draw(t, "generation"), Data: some("data"), ID: id("id"), Attempt: rapid.Int32().Draw(t, "attempt"),
		Letter: id("letter"), Timeout: rapid.Int64().Draw(t, "timeout"), Key: text.Draw(t, "key"), Print: Fingerprint(id("print")),
		TraceID: text.Draw(t, "trace"), TraceParent: text.Draw(t, "parent"), TraceState: text.Draw(t, "state"),
		Input: some("input"), Metadata: some("metadata"), RetryAt: rapid.Int64().Draw(t, "retryAt"),
		Status: Status(rapid.Uint8Range(0, 4).Draw(t, "status")), Output: some("output"), Echo: rapid.Bool().Draw(t, "echo"),
		Code: text.Draw(t, "code"), Message: text.Draw(t, "message"), SharedError: rapid.Bool().Draw(t, "shared"),
		Unwanted: rapid.Bool().Draw(t, "unwanted"), Cold: rapid.Bool().Draw(t, "cold"), InitMillis: rapid.Int32().Draw(t, "init"),
	}
}

func TestAnyFactIsReadAsItWasStored(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := drawFact(t)
		before := []byte("before")
		stored := f.AppendTo(before)
		if !bytes.HasPrefix(stored, before) {
			t.Fatalf("what was there is gone: %q", stored)
		}
		got, err := DecodeFact(stored[len(before):])
		if err != nil || !reflect.DeepEqual(got, f) {
			t.Fatalf("got %+v, %v\nwant %+v", got, err, f)
		}
	})
}

// A fact that is read over another has nothing of that.
func TestAFactIsReadOverAnother(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := drawFact(t)
		want := drawFact(t)
		if rapid.Bool().Draw(t, "of the same function") {
			want.Function = f.Function
		}
		if err := f.Decode(want.AppendTo(nil)); err != nil || !reflect.DeepEqual(f, want) {
			t.Fatalf("got %+v, %v\nwant %+v", f, err, want)
		}
	})
}

func TestReadingAFactOfTheSameFunctionAllocatesNothing(t *testing.T) {
	var f Fact
	stored := (&Fact{Kind: FactStarted, Function: "a-name-that-is-not-short", ID: ID{1}, Attempt: 1, Wall: epoch}).AppendTo(nil)
	if n := testing.AllocsPerRun(100, func() { _ = f.Decode(stored) }); n != 0 || f.Function != "a-name-that-is-not-short" {
		t.Errorf("%v allocations, %+v", n, f)
	}
}

func TestStoringAFactAllocatesNothing(t *testing.T) {
	f, b := sampleFacts()[2], make([]byte, 0, 1024)
	if n := testing.AllocsPerRun(100, func() { b = f.AppendTo(b[:0]) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Whatever bytes are found on a disk, reading them ends in a fact that is stored
// and read again as the same, or in an error.
func FuzzDecodeFact(f *testing.F) {
	for _, fact := range sampleFacts() {
		f.Add(fact.AppendTo(nil))
	}
	f.Fuzz(func(t *testing.T, stored []byte) {
		fact, err := DecodeFact(stored)
		if err != nil {
			return
		}
		again, err := DecodeFact(fact.AppendTo(nil))
		if err != nil || !reflect.DeepEqual(normal(again), normal(fact)) {
			t.Fatalf("%x: %+v\nis stored and read as %+v, %v", stored, fact, again, err)
		}
	})
}

// normal has nil for empty bytes, which are stored as nothing.
func normal(f Fact) Fact {
	for _, b := range []*[]byte{&f.Data, &f.Input, &f.Metadata, &f.Output} {
		if len(*b) == 0 {
			*b = nil
		}
	}
	return f
}

// The partition of a name is the same in every process, for ever.
func TestPartitionsStayWhereTheyAre(t *testing.T) {
	for name, want := range map[string]Partition{"": 0x25, "a": 0x8c, "foobar": 0xe8} {
		if got := PartitionOf(name); got != want {
			t.Errorf("%s: partition %#x, want %#x", name, got, want)
		}
	}
}
