package latency

import (
	"bytes"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestSparse: a sparse histogram says what the other one says, however many values it
// has, and after merging and emptying too.
func TestSparse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Precision{Unit: time.Microsecond, Highest: 24 * time.Hour, Digits: rapid.IntRange(1, 3).Draw(t, "digits")}
		sparse, plain := &Histogram{Precision: p, Sparse: true}, &Histogram{Precision: p}
		record := func(sparse, plain *Histogram, name string) {
			for _, v := range rapid.SliceOfN(rapid.OneOf(rapid.Int64Range(0, 3_000_000), rapid.Int64Range(-1, 1<<60)), 0, 300).Draw(t, name) {
				sparse.Record(v)
				plain.Record(v)
			}
		}
		record(sparse, plain, "values")
		if rapid.Bool().Draw(t, "merge") {
			other, otherPlain := &Histogram{Precision: p, Sparse: true}, &Histogram{Precision: p}
			record(other, otherPlain, "others")
			sparse.Merge(other)
			plain.Merge(otherPlain)
		}
		if rapid.IntRange(0, 3).Draw(t, "empty") == 0 {
			sparse.Reset()
			plain.Reset()
			record(sparse, plain, "again")
		}
		if sparse.Count() != plain.Count() || sparse.Mean() != plain.Mean() || sparse.Min() != plain.Min() || sparse.Max() != plain.Max() {
			t.Fatalf("%+v and %+v", sparse, plain)
		}
		for _, rank := range []float64{0, 1, 25, 50, 90, 99, 99.9, 100, rapid.Float64Range(0, 100).Draw(t, "rank")} {
			if a, b := sparse.Percentile(rank), plain.Percentile(rank); a != b {
				t.Fatalf("p%v is %d, of the other %d", rank, a, b)
			}
			low, high := sparse.PercentileRange(rank)
			if a, b := plain.PercentileRange(rank); rank > 0 && (low != a || high != b) {
				t.Fatalf("p%v is in %d to %d, of the other in %d to %d", rank, low, high, a, b)
			}
		}
		var a, b bytes.Buffer
		if sparse.WriteHgrm(&a) != nil || plain.WriteHgrm(&b) != nil || a.String() != b.String() {
			t.Fatalf("%s\nand\n%s", a.String(), b.String())
		}
		one, two := 0, 0
		for range sparse.Bars() {
			one++
		}
		for range plain.Bars() {
			two++
		}
		if one != two {
			t.Fatalf("%d bars and %d", one, two)
		}
	})
}
