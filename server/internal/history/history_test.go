package history

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

var bounds = []float64{1, 10, 100}

const begin = 1_700_000_000_000 // ms, a whole number of intervals

// model is a function as the test knows it.
type model struct {
	r       Reading
	buckets []uint64
	since   int
	rates   []float32 // accepted, by look
	queued  []uint32
	slots   []uint32
}

// What the keeper shows is what was read, or unknown: never another figure. With room
// for all of it nothing is unknown.
func TestSeriesAreWhatWasRead(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 1))
		most := []int{1 << 20, 40 * sampleBytes, 7 * sampleBytes, 1}[seed%4]
		k := New(most, bounds)
		models := map[string]*model{}
		looks := 1 + r.IntN(120)
		for look := range looks {
			var readings []Reading
			for i := range 5 {
				name := fmt.Sprint("f", i)
				m := models[name]
				if m == nil && (i < 2 || r.IntN(10) == 0) {
					m = &model{r: Reading{Name: name, Slots: 4}, buckets: make([]uint64, 4), since: look}
					models[name] = m
				}
				if m == nil {
					continue
				}
				if i == 4 && r.IntN(20) == 0 {
					delete(models, name)
					continue
				}
				accepted := int64(0)
				if i == 0 || r.IntN(6) == 0 {
					accepted = int64(r.IntN(50))
				}
				m.r.Accepted += accepted
				m.r.OK += accepted
				m.buckets[r.IntN(4)] += uint64(accepted)
				m.r.Queued = r.IntN(3) / 2 * r.IntN(9)
				if r.IntN(9) == 0 {
					m.r.Slots = 1 + r.IntN(4)
				}
				now := append([]uint64{}, m.buckets...)
				m.r.Latency = func() []uint64 { return now }
				m.rates, m.queued, m.slots = append(m.rates, float32(accepted)/5), append(m.queued, uint32(m.r.Queued)), append(m.slots, uint32(m.r.Slots))
				readings = append(readings, m.r)
			}
			k.Look(begin+int64(look)*Interval.Milliseconds(), readings)
		}
		for name, m := range models {
			s, known := k.Of(name, 0)
			if !known || len(s.Accepted) != looks {
				t.Fatalf("seed %d: %s: known %v, %d values of %d looks", seed, name, known, len(s.Accepted), looks)
			}
			for look := range looks {
				i := look - m.since
				got := s.Accepted[look]
				switch {
				case i < 0 || look == 0:
					if got != nil {
						t.Fatalf("seed %d: %s at look %d: %v, and it was not there", seed, name, look, *got)
					}
				case got == nil && most >= 1<<20:
					t.Fatalf("seed %d: %s at look %d is unknown", seed, name, look)
				case got != nil && (*got != m.rates[i] || *s.Queued[look] != m.queued[i] || *s.Slots[look] != m.slots[i]):
					t.Fatalf("seed %d: %s at look %d: %v a second, %d queued, %d slots; read were %v, %d, %d", seed, name, look, *got, *s.Queued[look], *s.Slots[look], m.rates[i], m.queued[i], m.slots[i])
				case got != nil && (s.P99[look] != nil) != (*got > 0):
					t.Fatalf("seed %d: %s at look %d: %v a second, and p99 known is %v", seed, name, look, *got, s.P99[look] != nil)
				}
			}
		}
		if k.Bytes() > max(most, sampleBytes) {
			t.Fatalf("seed %d: %d bytes of at most %d", seed, k.Bytes(), most)
		}
	}
}

// An hour is kept, and a reader who has seen a part gets the rest.
func TestAnHourIsKept(t *testing.T) {
	k := New(DefaultBytes, bounds)
	at := int64(begin)
	for i := range 2 * Kept {
		at = begin + int64(i)*Interval.Milliseconds()
		k.Look(at, []Reading{{Name: "f", Accepted: int64(i) * 10, Slots: 1}})
	}
	for _, name := range []string{"f", ""} {
		s, _ := k.Of(name, 0)
		if len(s.Accepted) != Kept || s.FromMillis != at-(Kept-1)*Interval.Milliseconds() || s.Accepted[0] == nil || *s.Accepted[0] != 2 {
			t.Errorf("%q: %d values from %d", name, len(s.Accepted), s.FromMillis)
		}
		if s, _ = k.Of(name, at-2*Interval.Milliseconds()); len(s.Accepted) != 2 || s.FromMillis != at-Interval.Milliseconds() {
			t.Errorf("%q: since two intervals ago: %d values from %d", name, len(s.Accepted), s.FromMillis)
		}
		if s, _ = k.Of(name, at); len(s.Accepted) != 0 {
			t.Errorf("%q: nothing is new, and there are %d values", name, len(s.Accepted))
		}
	}
	if _, known := k.Of("g", 0); known {
		t.Error("a function that nobody has registered has a history")
	}
	k.Look(at, nil)
	if n := k.Latest("f"); n.Accepted != 2 || len(k.Recent("f")) != recent {
		t.Errorf("latest %+v, recent %v; a second look in one interval must be left out", n, k.Recent("f"))
	}
}

// Functions at rest cost nothing, however many there are.
func TestFunctionsAtRestTakeNoMemory(t *testing.T) {
	k := New(DefaultBytes, bounds)
	readings := make([]Reading, 10_000)
	for i := range readings {
		readings[i] = Reading{Name: fmt.Sprint("f", i), Slots: 4}
	}
	k.Look(begin, readings)
	one := k.Bytes()
	for i := range 100 {
		k.Look(begin+int64(i+1)*Interval.Milliseconds(), readings)
	}
	if k.Bytes() != one || one > 40_000*sampleBytes {
		t.Errorf("%d bytes after one look, %d after a hundred", one, k.Bytes())
	}
}

func TestPercentiles(t *testing.T) {
	for _, c := range []struct {
		counts []uint64
		q      float64
		want   float32
	}{{[]uint64{0, 0, 0, 0}, 0.5, 0}, {[]uint64{0, 10, 0, 0}, 0.5, 5.5}, {[]uint64{0, 0, 0, 3}, 0.5, 100}, {[]uint64{99, 1, 0, 0}, 0.99, 1}} {
		if got := percentile(bounds, c.counts, c.q); got != c.want {
			t.Errorf("%v of %v is %v, want %v", c.q, c.counts, got, c.want)
		}
	}
}

func TestMarksAreBounded(t *testing.T) {
	var m Marks
	for i := range 5 * maxMarks {
		m.Add(Mark{AtMillis: int64(i), Function: []string{"", "f", "g"}[i%3], Text: strings.Repeat("ü", maxMarkText)})
	}
	if n := len(m.Of("", 0)); n > maxMarks || n < maxMarks/2 {
		t.Errorf("%d marks", n)
	}
	for _, mark := range m.Of("f", 5*maxMarks-10) {
		if mark.Function == "g" || mark.AtMillis < 5*maxMarks-10 || !strings.HasSuffix(mark.Text, "ü…") {
			t.Errorf("%+v", mark)
		}
	}
}
