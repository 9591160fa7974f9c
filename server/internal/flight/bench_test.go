package flight

import (
	"log/slog"
	"testing"

	"simplane/core"
	"simplane/core/recording"
)

// BenchmarkStep is what a step costs its function.
func BenchmarkStep(b *testing.B) {
	r := fullSize()
	s := core.Step{Domain: 1, Wall: 1, Kind: core.StepAnswer}
	b.ReportAllocs()
	for b.Loop() {
		s.Seq++
		r.Step(s)
	}
}

// fullSize is a recorder of the usual size.
func fullSize() *Recorder {
	return New(Options{Bytes: 8 << 20, Log: slog.New(slog.DiscardHandler), Header: func(string) recording.Header { return recording.Header{} }})
}

// BenchmarkDump is a dump of full rings.
func BenchmarkDump(b *testing.B) {
	r := fullSize()
	for d := range uint32(rings) {
		s := core.Step{Domain: d, Kind: core.StepAnswer}
		for range len(r.rings[0].steps) {
			s.Seq++
			s.Wall += 20_000
			s.Mono, s.Check = s.Wall, s.Seq*2654435761
			s.ID[0], s.ID[1], s.ID[2] = byte(s.Seq/3), byte(s.Seq/768), byte(s.Check>>24)
			r.Step(s)
		}
	}
	size := 0
	for b.Loop() {
		var out countingWriter
		if err := r.Dump(&out, "test"); err != nil {
			b.Fatal(err)
		}
		size = int(out)
	}
	b.ReportMetric(float64(size), "B/dump")
}

type countingWriter int

func (c *countingWriter) Write(p []byte) (int, error) {
	*c += countingWriter(len(p))
	return len(p), nil
}
