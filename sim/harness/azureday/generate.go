package main

import (
	"bufio"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
)

// day is what is generated, in the layout of the Azure Functions 2019 data set.
type day struct {
	functions    int
	invocations  int     // about so many, on the whole day
	minutes      int     // 1440 in the data set
	undocumented float64 // share of functions without durations
	seed         uint64
}

// files are the three of a day.
type files struct{ invocations, durations, memory string }

// generated is what is in the files.
type generated struct {
	rows, invocations, withoutDurations int
	counted                             int // invocations of functions with durations
}

// write generates a day into a directory. Functions are called as those of the data
// set are: a few make most of the calls, most are called seldom, many by timers.
func (d *day) write(dir string) (files, generated, error) {
	out := files{filepath.Join(dir, "invocations.csv"), filepath.Join(dir, "durations.csv"), filepath.Join(dir, "memory.csv")}
	var made generated
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return out, made, err
	}
	inv, err := create(out.invocations)
	if err != nil {
		return out, made, err
	}
	dur, err := create(out.durations)
	if err != nil {
		return out, made, err
	}
	mem, err := create(out.memory)
	if err != nil {
		return out, made, err
	}
	inv.text("HashOwner,HashApp,HashFunction,Trigger")
	for m := range d.minutes {
		inv.text("," + strconv.Itoa(m+1))
	}
	inv.text("\n")
	dur.text("HashOwner,HashApp,HashFunction,Average,Count,Minimum,Maximum,percentile_Average_0,percentile_Average_1,percentile_Average_25,percentile_Average_50,percentile_Average_75,percentile_Average_99,percentile_Average_100\n")
	mem.text("HashOwner,HashApp,SampleCount,AverageAllocatedMb\n")
	r := rand.New(rand.NewPCG(d.seed, 1))
	weights, sum := make([]float64, d.functions), 0.0
	for i := range weights {
		weights[i] = 1 / math.Pow(float64(i+1), 1.1)
		sum += weights[i]
	}
	var owner, app string
	for i := range d.functions {
		if i%3 == 0 {
			owner, app = hash(r), hash(r)
			mem.text(fmt.Sprintf("%s,%s,%d,%d\n", owner, app, 1+r.IntN(10_000), 30+r.IntN(500)))
		}
		name := owner + "," + app + "," + hash(r)
		n := d.function(inv, name, weights[i]/sum*float64(d.invocations), r)
		made.rows++
		made.invocations += n
		if r.Float64() < d.undocumented {
			made.withoutDurations++
			continue
		}
		made.counted += n
		dur.durations(name, n, r)
	}
	return out, made, errors.Join(inv.close(), dur.close(), mem.close())
}

// function writes a row of counts that add up to about n, and returns their sum.
func (d *day) function(w *file, name string, n float64, r *rand.Rand) (sum int) {
	perMinute := n / float64(d.minutes)
	kind, trigger := r.IntN(4), "http"
	every := 1 + r.IntN(60)
	if kind == 0 {
		trigger = "timer"
	}
	w.text(name + "," + trigger)
	phase := r.Float64()
	for m := range d.minutes {
		rate := perMinute
		switch kind {
		case 0: // a timer
			rate = 0
			if m%every == 0 {
				rate = math.Max(1, math.Round(perMinute*float64(every)))
			}
		case 1: // the hours of a day
			rate *= 1 + math.Sin(2*math.Pi*(phase+float64(m)/float64(d.minutes)))
		case 2: // bursts
			rate = 0
			if r.IntN(20) == 0 {
				rate = 20 * perMinute
			}
		}
		c := poisson(rate, kind != 0, r)
		sum += c
		w.buf = append(w.buf, ',')
		w.buf = strconv.AppendInt(w.buf, int64(c), 10)
	}
	w.text("\n")
	return sum
}

func poisson(mean float64, random bool, r *rand.Rand) int {
	switch {
	case !random:
		return int(mean)
	case mean > 50:
		return max(0, int(math.Round(mean+math.Sqrt(mean)*r.NormFloat64())))
	}
	n, p := 0, r.Float64()
	for limit := math.Exp(-mean); p > limit; n++ {
		p *= r.Float64()
	}
	return n
}

// durations writes a row with a tail: the mean is well above the median.
func (w *file) durations(name string, n int, r *rand.Rand) {
	median := math.Exp(5 + 1.5*r.NormFloat64()) // ms
	tail := 0.5 + r.Float64()
	at := func(z float64) float64 { return median * math.Exp(tail*z) }
	average, most := at(0)*math.Exp(tail*tail/2), math.Min(at(3.5), 600_000)
	w.text(fmt.Sprintf("%s,%.0f,%d,%.0f,%.0f,%.0f,%.0f,%.0f,%.0f,%.0f,%.0f,%.0f\n", name, average, n, at(-3.5), most,
		at(-3), at(-2.33), at(-0.674), at(0), at(0.674), math.Min(at(2.33), most), math.Min(at(3), most)))
}

func hash(r *rand.Rand) string {
	b := make([]byte, 0, 64)
	for range 4 {
		b = append(b, fmt.Sprintf("%016x", r.Uint64())...)
	}
	return string(b)
}

// file is one that is being written.
type file struct {
	f   *os.File
	w   *bufio.Writer
	buf []byte
}

func create(path string) (*file, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	return &file{f: f, w: bufio.NewWriterSize(f, 1<<20)}, nil
}

func (w *file) text(s string) {
	w.buf = append(w.buf, s...)
	if len(w.buf) > 1<<16 {
		_, _ = w.w.Write(w.buf) // Flush says what went wrong
		w.buf = w.buf[:0]
	}
}

func (w *file) close() error {
	_, _ = w.w.Write(w.buf)
	return errors.Join(w.w.Flush(), w.f.Close())
}
