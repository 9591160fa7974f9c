package recording

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"hash/crc32"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"simplane/core"
)

func TestWhatIsWrittenIsRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var out bytes.Buffer
		h := header()
		h.Whole, h.Part, h.Config.TTL = true, 7, 300
		w, err := NewWriter(&out, h)
		if err != nil {
			t.Fatal(err)
		}
		var want Recording
		for range rapid.IntRange(0, 6).Draw(t, "parts") {
			switch rapid.IntRange(0, 3).Draw(t, "part") {
			case 0:
				steps := rapid.SliceOfN(rapid.Custom(anyStep), 0, 200).Draw(t, "steps")
				want.Steps = append(want.Steps, steps...)
				err = w.Steps(steps)
			case 1:
				steps := callSteps(rapid.Uint64().Draw(t, "seed"), rapid.IntRange(1, 40).Draw(t, "functions"), rapid.IntRange(1, 3000).Draw(t, "calls"))
				want.Steps = append(want.Steps, steps...)
				err = w.Steps(steps)
			case 2:
				b := someBase(rapid.Uint32().Draw(t, "domain"), rapid.Uint32().Draw(t, "seq"), rapid.IntRange(0, 300).Draw(t, "live"))
				want.Bases = append(want.Bases, b)
				err = w.Base(b)
			default:
				err = w.Flush()
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		want.Header, want.Dropped = h, rapid.SampledFrom([]string{"", "the disk is full"}).Draw(t, "dropped")
		if err := w.Close(want.Dropped); err != nil {
			t.Fatal(err)
		}
		got, err := Read(iotest.OneByteReader(&out))
		if err != nil {
			t.Fatal(err)
		}
		if got.Header != want.Header || got.Dropped != want.Dropped || got.Truncated {
			t.Fatalf("read %+v %q %v", got.Header, got.Dropped, got.Truncated)
		}
		if !slices.Equal(got.Steps, want.Steps) {
			t.Fatalf("%d steps became %d others", len(want.Steps), len(got.Steps))
		}
		if !reflect.DeepEqual(got.Bases, want.Bases) {
			t.Fatal("other bases came back")
		}
	})
}

// TestTheFirstVersionStaysReadable: recordings are kept and shown to newer
// programs.
func TestTheFirstVersionStaysReadable(t *testing.T) {
	got, err := Read(bytes.NewReader(version1(t)))
	if err != nil {
		t.Fatal(err)
	}
	want := append(callSteps(1, 2, 10), callSteps(2, 1, 3)...)
	if !slices.Equal(got.Steps, want) || len(got.Bases) != 1 || got.Bases[0].Spec.Name != "secret-name" || got.Header.Version != "1.2.3" {
		t.Errorf("read %d steps, %d bases and the header %+v", len(got.Steps), len(got.Bases), got.Header)
	}
}

// TestEveryFlippedBitIsFound: whatever bit changes, the file is unusable.
func TestEveryFlippedBitIsFound(t *testing.T) {
	file := small(t)
	if _, err := Read(bytes.NewReader(file)); err != nil {
		t.Fatal(err)
	}
	for at := range file {
		for bit := range 8 {
			bad := slices.Clone(file)
			bad[at] ^= 1 << bit
			_, err := Read(bytes.NewReader(bad))
			var unusable *UnusableError
			if !errors.As(err, &unusable) || unusable.Offset > int64(at) || unusable.Why == "" {
				t.Fatalf("bit %d of byte %d of %d was flipped: %v", bit, at, len(file), err)
			}
		}
	}
}

func TestATruncatedFileIsReadToItsLastWholeBlock(t *testing.T) {
	file := small(t)
	whole, err := Read(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[int]bool{}
	for n := range file {
		got, err := Read(bytes.NewReader(file[:n]))
		var unusable *UnusableError
		switch {
		case errors.As(err, &unusable) && len(seen) == 0: // within the header
		case err != nil:
			t.Fatalf("the first %d bytes: %v", n, err)
		case !got.Truncated || !slices.Equal(got.Steps, whole.Steps[:len(got.Steps)]):
			t.Fatalf("the first %d bytes are read as %d steps, truncated %v", n, len(got.Steps), got.Truncated)
		default:
			seen[len(got.Steps)] = true
		}
	}
	if len(seen) != 3 || !seen[0] || !seen[len(whole.Steps)] {
		t.Errorf("%d steps were read as %v", len(whole.Steps), seen)
	}
}

// frames are a file's frames.
func frames(t testing.TB, file []byte) (list [][]byte) {
	t.Helper()
	for at := prefix; at < len(file); {
		size := frameHead + int(binary.LittleEndian.Uint32(file[at+8:]))
		list = append(list, file[at:at+size])
		at += size
	}
	return list
}

func TestMissingAndExchangedBlocksAreFound(t *testing.T) {
	file := small(t)
	list := frames(t, file)
	if len(list) != 5 {
		t.Fatalf("%d frames", len(list))
	}
	build := func(order ...int) []byte {
		b := slices.Clone(file[:prefix])
		for _, i := range order {
			b = append(b, list[i]...)
		}
		return b
	}
	if _, err := Read(bytes.NewReader(build(0, 1, 2, 3, 4))); err != nil {
		t.Fatal(err)
	}
	for _, order := range [][]int{{0, 2, 3, 4}, {0, 1, 3, 2, 4}, {0, 1, 1, 2, 3, 4}, {0, 4}, {1, 2}, {0, 0}, {0, 1, 2, 3, 4, 4}} {
		_, err := Read(bytes.NewReader(build(order...)))
		var unusable *UnusableError
		if !errors.As(err, &unusable) {
			t.Errorf("frames %v: %v", order, err)
		}
	}
}

// forge makes a file of frames whose checksums are right.
func forge(kinds []frame, payloads ...[]byte) []byte {
	b := binary.LittleEndian.AppendUint32([]byte(magic), formatVersion)
	for i, f := range kinds {
		f.number = uint32(i)
		f.stored = len(payloads[i])
		if f.raw == 0 {
			f.raw = f.stored
		}
		f.payloadSum = crc32.Checksum(payloads[i], castagnoli)
		b = append(f.append(b), payloads[i]...)
	}
	return b
}

func TestForgedFramesAreRefused(t *testing.T) {
	h, _ := json.Marshal(header())
	steps := appendSteps(nil, callSteps(1, 1, 2))
	n := len(callSteps(1, 1, 2))
	packed := mustWriter(t).zip.EncodeAll(make([]byte, maxStepsRaw), nil)
	for name, file := range map[string][]byte{
		"too few steps":      forge([]frame{{kind: frameHeader}, {kind: frameSteps, count: n - 1}}, h, steps),
		"too many steps":     forge([]frame{{kind: frameHeader}, {kind: frameSteps, count: n + 1}}, h, steps),
		"a block too large":  forge([]frame{{kind: frameHeader}, {kind: frameSteps, count: 1, raw: maxStepsRaw + 1, packed: true}}, h, packed),
		"unpacks to less":    forge([]frame{{kind: frameHeader}, {kind: frameSteps, count: 1, raw: maxStepsRaw - 1, packed: true}}, h, packed),
		"unpacks to more":    forge([]frame{{kind: frameHeader}, {kind: frameSteps, count: 1, raw: maxStepsRaw, packed: true}}, h, packed[:len(packed)-1]),
		"not packed":         forge([]frame{{kind: frameHeader}, {kind: frameSteps, count: 1, raw: 1000, packed: true}}, h, steps),
		"no kind":            forge([]frame{{kind: frameHeader}, {kind: 9}}, h, steps),
		"no header":          forge([]frame{{kind: frameSteps, count: n}}, steps),
		"no JSON":            forge([]frame{{kind: frameHeader}}, []byte("{")),
		"fewer bases":        forge([]frame{{kind: frameHeader}, {kind: frameBases, count: 1}}, h, []byte("{}\n{}\n")),
		"more bases":         forge([]frame{{kind: frameHeader}, {kind: frameBases, count: 3}}, h, []byte("{}\n{}\n")),
		"no base":            forge([]frame{{kind: frameHeader}, {kind: frameBases, count: 1}}, h, []byte("[]\n")),
		"many empty objects": forge([]frame{{kind: frameHeader}, {kind: frameBases, count: 1}}, h, []byte(`{"live":[{}`+strings.Repeat(`,{}`, 1000)+"]}\n")),
		"an end of others":   forge([]frame{{kind: frameHeader}, {kind: frameEnd}}, h, []byte(`{"steps":1}`)),
	} {
		_, err := Read(bytes.NewReader(file))
		var unusable *UnusableError
		if !errors.As(err, &unusable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Read(bytes.NewReader(forge([]frame{{kind: frameHeader}, {kind: frameSteps, count: n}, {kind: frameEnd}}, h, steps, []byte(`{"steps":1000}`)))); err == nil {
		t.Error("an end of other steps was taken")
	}
}

func mustWriter(t testing.TB) *Writer {
	t.Helper()
	w, err := NewWriter(io.Discard, header())
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestWhatIsNoRecordingIsSaidSo(t *testing.T) {
	newer := small(t)
	newer[len(magic)] = 2
	for name, c := range map[string]struct {
		file []byte
		want string
	}{
		"empty":    {nil, "no recording"},
		"other":    {[]byte("hello, this is some other file"), "no recording"},
		"cut":      {small(t)[:len(magic)+2], "ends within its header"},
		"no frame": {small(t)[:prefix], "ends within its header"},
		"newer":    {newer, "version 2"},
		"longer":   {append(small(t), 0), "behind the end"},
	} {
		if _, err := Read(bytes.NewReader(c.file)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	broken := errors.New("the cable is out")
	if _, err := Read(io.MultiReader(bytes.NewReader(small(t)[:300]), iotest.ErrReader(broken))); !errors.Is(err, broken) {
		t.Errorf("a read that failed: %v", err)
	}
}

func TestNamesAreHiddenWhenAsked(t *testing.T) {
	h := header()
	h.Names = false
	base := someBase(12, 1, 3)
	base.Spec.Data = struct{ Env string }{"secret-data"}
	file := written(t, h, func(w *Writer) {
		if err := w.Base(base); err != nil {
			t.Fatal(err)
		}
	})
	got, err := Read(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	text, _ := json.Marshal(got.Bases)
	if b := got.Bases[0]; strings.Contains(string(text), "secret") || b.Spec.Name != "function-12" ||
		b.Spec.ScalingConfig.Metrics[0].Name != "metric-1" || b.Autoscale.Config.Metrics[0].Name != "metric-1" || b.Spec.ScalingConfig.Metrics[1].Name != "" {
		t.Errorf("read %s", text)
	}
	if base.Spec.Name != "secret-name" || base.Autoscale.Config.Metrics[0].Name != "secret-metric" {
		t.Error("the base itself was changed")
	}
	for _, bare := range []*core.Base{{Domain: 3}, {Spec: &core.Spec{Name: "secret"}}} {
		if raw, _ := json.Marshal(nameless(bare)); strings.Contains(string(raw), "secret") {
			t.Errorf("%s", raw)
		}
	}
	h.Names = true
	got, err = Read(bytes.NewReader(written(t, h, func(w *Writer) { _ = w.Base(base) })))
	if text, _ = json.Marshal(got); err != nil || strings.Contains(string(text), "secret-data") {
		t.Errorf("%v %s", err, text)
	}
}

func TestABaseThatIsTooLargeIsLeftOut(t *testing.T) {
	large := someBase(1, 1, 1)
	large.Live[0].Waiters = strings.Repeat("s", MaxBaseBytes)
	got, err := Read(bytes.NewReader(written(t, header(), func(w *Writer) {
		if err := w.Base(large); !errors.Is(err, ErrBaseTooLarge) {
			t.Errorf("a base of %d bytes: %v", MaxBaseBytes, err)
		}
		if err := w.Base(someBase(2, 1, 4096)); err != nil {
			t.Error(err)
		}
	})))
	if err != nil || len(got.Bases) != 1 || got.Bases[0].Domain != 2 {
		t.Errorf("%v, read %d bases", err, len(got.Bases))
	}
}

// failing takes so many bytes.
type failing struct{ left int }

func (f *failing) Write(b []byte) (int, error) {
	if f.left -= len(b); f.left < 0 {
		return 0, errors.New("no space left")
	}
	return len(b), nil
}

func TestAWriterStopsAtTheFirstError(t *testing.T) {
	to := &failing{1000}
	w, err := NewWriter(to, header())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Steps(callSteps(1, 1, 10_000)); err == nil {
		t.Fatal("the error of the first block is not said")
	}
	to.left = 1 << 30
	for _, err := range []error{w.Steps(callSteps(1, 1, 1)), w.Base(someBase(1, 1, 0)), w.Flush(), w.Close("")} {
		if err == nil {
			t.Error("it went on after an error")
		}
	}
}
