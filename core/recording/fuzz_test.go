package recording

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"testing"
)

// FuzzRead reads any file. What can be read is the same after it was written
// again.
func FuzzRead(f *testing.F) {
	f.Add(version1(f))
	f.Add(version1(f)[:200])
	f.Fuzz(func(t *testing.T, file []byte) { readAny(t, file) })
}

// FuzzBlocks reads files whose checksums are right, so that what is behind them
// is read.
func FuzzBlocks(f *testing.F) {
	steps := callSteps(1, 2, 5)
	f.Add(uint8(frameSteps), len(steps), 0, appendSteps(nil, steps))
	base, _ := json.Marshal(someBase(1, 2, 3))
	f.Add(uint8(frameBases), 1, 0, append(base, '\n'))
	f.Add(uint8(frameEnd), 0, 0, []byte(`{"steps":0,"bases":0,"dropped":"x"}`))
	packed := mustWriter(f).zip.EncodeAll(appendSteps(nil, steps), nil)
	f.Add(uint8(frameSteps), len(steps), len(appendSteps(nil, steps)), packed)
	f.Fuzz(func(t *testing.T, kind uint8, count, raw int, payload []byte) {
		h, _ := json.Marshal(header())
		readAny(t, forge([]frame{{kind: frameHeader}, {kind: frameKind(kind), count: count, raw: raw, packed: raw != 0}}, h, payload))
	})
}

func readAny(t *testing.T, file []byte) {
	got, err := Read(bytes.NewReader(file))
	if err != nil {
		var unusable *UnusableError
		if !errors.As(err, &unusable) {
			t.Fatalf("another error than unusable: %v", err)
		}
		return
	}
	got.Header.Names = true
	again, err := Read(bytes.NewReader(written(t, got.Header, func(w *Writer) {
		err := w.Steps(got.Steps)
		for _, b := range got.Bases {
			err = errors.Join(err, w.Base(b))
		}
		if err != nil {
			t.Fatal(err)
		}
	})))
	if err != nil || !slices.Equal(again.Steps, got.Steps) || len(again.Bases) != len(got.Bases) {
		t.Fatalf("written again, %d steps and %d bases became others: %v", len(got.Steps), len(got.Bases), err)
	}
	before, _ := json.Marshal(got.Bases)
	after, _ := json.Marshal(again.Bases)
	if !bytes.Equal(before, after) {
		t.Fatalf("written again, %s became %s", before, after)
	}
}
