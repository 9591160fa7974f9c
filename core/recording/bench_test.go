package recording

import (
	"bytes"
	"io"
	"testing"
)

// BenchmarkWrite says what a step costs in time and in bytes of a file.
func BenchmarkWrite(b *testing.B) {
	for name, functions := range map[string]int{"one function": 1, "100 functions": 100} {
		b.Run(name, func(b *testing.B) {
			steps := callSteps(1, functions, 100_000)
			var bytes, total int64
			b.ReportAllocs()
			for b.Loop() {
				w, err := NewWriter(io.Discard, header())
				if err != nil {
					b.Fatal(err)
				}
				if err := w.Steps(steps); err != nil {
					b.Fatal(err)
				}
				_ = w.Close("")
				bytes, total = bytes+w.Written(), total+int64(len(steps))
			}
			b.ReportMetric(float64(bytes)/float64(total), "B/step")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(total), "ns/step")
		})
	}
}

// BenchmarkRead says how fast a recording is read.
func BenchmarkRead(b *testing.B) {
	steps := callSteps(1, 1, 100_000)
	file := written(b, header(), func(w *Writer) { _ = w.Steps(steps) })
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Read(bytes.NewReader(file)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(steps)), "ns/step")
}
