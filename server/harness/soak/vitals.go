package main

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"
)

// reading is one look at the server's use of resources.
type reading struct {
	At         float64 `json:"atSeconds"`
	Goroutines float64 `json:"goroutines"`
	Files      float64 `json:"openFiles"`
	Memory     float64 `json:"residentBytes"`
	Heap       float64 `json:"heapBytes"`
	Stored     float64 `json:"storedExecutions"`
	// What is waiting or running: it explains goroutines and connections.
	Queued  float64 `json:"queued"`
	Running float64 `json:"inFlight"`
}

func (c *client) reading(began time.Time) (reading, error) {
	s, err := c.scrape()
	return reading{
		At: time.Since(began).Seconds(), Goroutines: s["go_goroutines"], Files: s["process_open_fds"],
		Memory: s["process_resident_memory_bytes"], Heap: s["go_memstats_heap_alloc_bytes"],
		Stored: s["simplane_stored_executions"],
		Queued: s.sum("function_queue_depth"), Running: s.sum("function_in_flight"),
	}, err
}

// vitals watches readiness and resources.
type vitals struct {
	c     *client
	l     *ledger
	began time.Time

	mu       sync.Mutex
	readings []reading
	probes   int
}

// watch probes readiness on both addresses and takes a reading every period
// until ctx ends.
func (v *vitals) watch(ctx context.Context, period time.Duration) {
	tick := time.NewTicker(period)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, base := range []string{v.c.api, v.c.mgmt} {
			r, err := v.c.do(context.Background(), "GET", base+"/actuator/health/readiness", nil)
			if err != nil || r.status != http.StatusOK {
				v.l.violate("not ready on %s: status %d, %v", base, r.status, err)
			}
		}
		one, err := v.c.reading(v.began)
		if err != nil {
			v.l.violate("no metrics: %v", err)
			continue
		}
		v.mu.Lock()
		v.probes += 2
		v.readings = append(v.readings, one)
		v.mu.Unlock()
	}
}

// trend is how a quantity went over the soak.
type trend struct {
	Name    string  `json:"name"`
	Typical float64 `json:"typical"` // median
	Growth  float64 `json:"growth"`  // over the window, by the robust slope
	Allowed float64 `json:"allowed"`
}

func (t trend) flat() bool { return t.Growth <= t.Allowed }

func (t trend) String() string {
	return fmt.Sprintf("%s: typical %.4g, grew by %.4g (allowed %.4g)", t.Name, t.Typical, t.Growth, t.Allowed)
}

// floorSpan is longer than what comes and goes with the load by itself: a
// connection flood with the idle workers that it leaves, the time
// between two garbage collections. The least value in each span is what stays,
// and a leak raises just that.
const floorSpan = 20.0 // seconds

// trends judges the readings after warm-up. What may grow is a share of the
// typical value, plus a floor below which noise rules.
func (v *vitals) trends(warmup time.Duration) []trend {
	v.mu.Lock()
	defer v.mu.Unlock()
	var kept []reading
	for _, r := range v.readings {
		if r.At >= warmup.Seconds() {
			kept = append(kept, r)
		}
	}
	of := func(name string, share, least float64, value func(reading) float64) trend {
		var floors [][2]float64
		for i, r := range kept {
			if last := len(floors) - 1; i == 0 || r.At-floors[last][0] >= floorSpan {
				floors = append(floors, [2]float64{r.At, value(r)})
			} else {
				floors[last][1] = min(floors[last][1], value(r))
			}
		}
		t := flatness(floors)
		t.Name, t.Allowed = name, max(share*t.Typical, least)
		return t
	}
	return []trend{
		of("goroutines", 0.12, 40, func(r reading) float64 { return r.Goroutines }),
		of("open files", 0.12, 40, func(r reading) float64 { return r.Files }),
		of("resident memory", 0.10, 16<<20, func(r reading) float64 { return r.Memory }),
		of("heap", 0.15, 16<<20, func(r reading) float64 { return r.Heap }),
	}
}

// flatness is the median of the points and their growth by the Theil-Sen
// slope: the median slope between pairs of points, which single spikes (a
// garbage collection, a burst) do not move.
func flatness(points [][2]float64) trend {
	if len(points) < 2 {
		return trend{}
	}
	var slopes, values []float64
	for i, a := range points {
		values = append(values, a[1])
		for _, b := range points[i+1:] {
			if b[0] > a[0] {
				slopes = append(slopes, (b[1]-a[1])/(b[0]-a[0]))
			}
		}
	}
	span := points[len(points)-1][0] - points[0][0]
	return trend{Typical: median(values), Growth: median(slopes) * span}
}

func median[T cmp.Ordered](v []T) T {
	var zero T
	if len(v) == 0 {
		return zero
	}
	s := slices.Sorted(slices.Values(v))
	return s[len(s)/2]
}
