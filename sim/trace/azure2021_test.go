package trace

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

func TestAzure2021(t *testing.T) {
	im, err := Azure2021(dir+"azure2021_30.csv", named("x"))
	_, r := load(t, im, err)
	if r.Total.Get("success") != 29 {
		t.Errorf("%d of 29 succeeded", r.Total.Get("success"))
	}
}

// TestCallsOf2021 come at their times and take their times: to the nanosecond, also
// those within milliseconds of each other, those that began before the trace, and
// those that take hours.
func TestCallsOf2021(t *testing.T) {
	const text = `app,func,end_timestamp,duration
a,f,3.500000001,12.25
a,f,100.0,0.001
b,g,100.001,0.0005
a,f,100.002,0.0015
a,f,100.002,0.0015
b,g,7300.5,7000.25
a,f,130.1234567894,1e-05
`
	im, err := Azure2021(write(t, text)[0], named("x"))
	read, r := load(t, im, err)
	// 0 is a minute before the trace, in which the first call began.
	want := map[string][][2]time.Duration{
		"fn-f": {{51*time.Second + 250*time.Millisecond + 1, 12250 * time.Millisecond}, {159999 * time.Millisecond, time.Millisecond},
			{160*time.Second + 500*time.Microsecond, 1500 * time.Microsecond}, {160*time.Second + 500*time.Microsecond, 1500 * time.Microsecond},
			{190*time.Second + 123446789, 10 * time.Microsecond}},
		"fn-g": {{160*time.Second + 500*time.Microsecond, 500 * time.Microsecond}, {360*time.Second + 250*time.Millisecond, 7000*time.Second + 250*time.Millisecond}},
	}
	for i := range read.Load {
		l := &read.Load[i]
		if len(l.Arrivals.Calls) != len(want[l.Function]) {
			t.Fatalf("%s: %v", l.Function, l.Arrivals.Calls)
		}
		for j, c := range l.Arrivals.Calls {
			if w := want[l.Function][j]; c.At != w[0] || c.Took != w[1] || !c.Timed {
				t.Errorf("%s: call %d %+v, want %v", l.Function, j, c, w)
			}
		}
	}
	if r.Total.Get("success") != 7 || r.Virtual != 7360*time.Second+500*time.Millisecond {
		t.Errorf("%d of 7 succeed, the last ends at %v", r.Total.Get("success"), r.Virtual)
	}
	for _, f := range r.Functions {
		sum := time.Duration(0)
		for _, c := range want[f.Name] {
			sum += c[1]
		}
		if got := time.Duration(f.Service.Mean); got != sum/time.Duration(len(want[f.Name])) || f.QueueWait.Max != 0 {
			t.Errorf("%s: mean %v, want %v; waits up to %d", f.Name, got, sum/time.Duration(len(want[f.Name])), f.QueueWait.Max)
		}
	}
	notes(t, im, "1 calls have the function, begin and duration of another", "0 is -1m0s in the trace.")
	if got := read.Find("fn-f").Concurrency; got != 2 { // at 100.0005, two
		t.Errorf("%d slots", got)
	}
}

// TestEqualCallsOf2021 are all counted, however many begin at once and whatever
// lies between them in the file.
func TestEqualCallsOf2021(t *testing.T) {
	text := "app,func,end_timestamp,duration\n"
	for range 150 {
		text += "a,f,10,1\na,f,11,2\nb,f,10,1\n"
	}
	im, err := Azure2021(write(t, text)[0], named("x"))
	if err != nil {
		t.Fatal(err)
	}
	notes(t, im, "447 calls have the function, begin and duration of another")
}

// TestBurstOf2021: twenty calls within 20 ms stay so, and none waits.
func TestBurstOf2021(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var b strings.Builder
	b.WriteString("app,func,end_timestamp,duration\n")
	for range 20 {
		took := 0.1 + r.Float64()
		fmt.Fprintf(&b, "a,f,%.9f,%.9f\n", 30+0.02*r.Float64()+took, took)
	}
	im, err := Azure2021(write(t, b.String())[0], named("x"))
	read, run := load(t, im, err)
	calls := read.Load[0].Arrivals.Calls
	if spread := calls[len(calls)-1].At - calls[0].At; len(calls) != 20 || spread > 20*time.Millisecond || calls[0].At < 30*time.Second {
		t.Errorf("%d calls within %v from %v on", len(calls), spread, calls[0].At)
	}
	if run.Functions[0].QueueWait.Max != 0 || run.Total.Get("success") != 20 {
		t.Errorf("%+v", run.Functions[0])
	}
}
