package corebench

import "testing"

// BenchmarkCore runs every case under go test, for profiles and for
// `simplane bench check`.
func BenchmarkCore(b *testing.B) {
	for _, c := range Cases() {
		b.Run(c.Name, func(b *testing.B) {
			op, err := c.setup(1, 10_000)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if !op(0) {
					b.Fatal("the call did not do what the case is about")
				}
			}
		})
	}
}
