package machine

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"runtime/metrics"
	"time"

	"golang.org/x/sys/unix"
)

// Usage is the resource usage within a span of time, as shares from 0 to 1.
type Usage struct {
	// ProcessCPU is this process's share of all cores it may use.
	ProcessCPU float64 `json:"processCpu"`
	// MachineCPU is the share of all cores that anything kept busy;
	// -1 where it cannot be read.
	MachineCPU float64 `json:"machineCpu"`
	// TaskCPU is the part of MachineCPU that processes used, without
	// interrupts, which belong to no process; -1 where it cannot be read.
	TaskCPU float64 `json:"taskCpu"`
	// Steal is the share that the hypervisor gave to other machines; -1
	// unknown.
	Steal float64 `json:"steal"`
	// ProcessSeconds is the CPU time behind ProcessCPU.
	ProcessSeconds float64 `json:"processSeconds"`
	// GCCPU is the garbage collector's part of the time this process's
	// cores were not idle, by the runtime's own count; it is renewed at the
	// end of each collection.
	GCCPU float64 `json:"gcCpu"`
	// SchedP99Ms is how long ready goroutines waited for a core, 99th
	// percentile in milliseconds.
	SchedP99Ms float64 `json:"schedP99Ms"`
}

// Mark is a reading to measure from.
type Mark struct {
	wall    time.Time
	process time.Duration
	stat    cpuTimes
	statOK  bool
	gc, run float64 // seconds of garbage collection and of all but idling
	sched   *metrics.Float64Histogram
}

// Now takes a reading.
func Now() Mark {
	m := Mark{wall: time.Now(), process: processCPU()}
	m.stat, m.statOK = readCPUTimes("/proc/stat")
	samples := []metrics.Sample{
		{Name: "/cpu/classes/gc/total:cpu-seconds"},
		{Name: "/sched/latencies:seconds"},
		{Name: "/cpu/classes/total:cpu-seconds"},
		{Name: "/cpu/classes/idle:cpu-seconds"},
	}
	metrics.Read(samples)
	if samples[0].Value.Kind() == metrics.KindFloat64 {
		m.gc = samples[0].Value.Float64()
	}
	if samples[2].Value.Kind() == metrics.KindFloat64 && samples[3].Value.Kind() == metrics.KindFloat64 {
		m.run = samples[2].Value.Float64() - samples[3].Value.Float64()
	}
	if samples[1].Value.Kind() == metrics.KindFloat64Histogram {
		m.sched = samples[1].Value.Float64Histogram()
	}
	return m
}

// Since returns the usage between from and now.
func Since(from Mark) Usage {
	to := Now()
	u := Usage{MachineCPU: -1, TaskCPU: -1, Steal: -1}
	process := (to.process - from.process).Seconds()
	if avail := to.wall.Sub(from.wall).Seconds() * float64(runtime.GOMAXPROCS(0)); avail > 0 {
		u.ProcessCPU = process / avail
	}
	u.ProcessSeconds = process
	if run := to.run - from.run; run > 0 {
		u.GCCPU = (to.gc - from.gc) / run
	}
	if from.statOK && to.statOK {
		if total := float64(to.stat.total - from.stat.total); total > 0 {
			u.MachineCPU = 1 - float64(to.stat.idle-from.stat.idle)/total
			u.TaskCPU = float64(to.stat.tasks-from.stat.tasks) / total
			u.Steal = float64(to.stat.steal-from.stat.steal) / total
		}
	}
	u.SchedP99Ms = quantileDiff(from.sched, to.sched, 0.99) * 1e3
	return u
}

func processCPU() time.Duration {
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// cpuTimes are ticks since boot, summed over all cores.
type cpuTimes struct{ total, tasks, idle, steal uint64 }

func readCPUTimes(path string) (cpuTimes, bool) {
	f, err := os.Open(path)
	if err != nil {
		return cpuTimes{}, false
	}
	defer f.Close()
	var user, nice, system, idle, iowait, irq, softirq, steal uint64
	_, err = fmt.Fscanf(f, "cpu %d %d %d %d %d %d %d %d", &user, &nice, &system, &idle, &iowait, &irq, &softirq, &steal)
	if err != nil {
		return cpuTimes{}, false
	}
	return cpuTimes{
		total: user + nice + system + idle + iowait + irq + softirq + steal,
		tasks: user + nice + system, idle: idle + iowait, steal: steal,
	}, true
}

// quantileDiff reads a quantile, in the histogram's unit, of what was added
// between two readings; 0 when nothing was.
func quantileDiff(from, to *metrics.Float64Histogram, q float64) float64 {
	if to == nil {
		return 0
	}
	counts := make([]uint64, len(to.Counts))
	var total uint64
	for i, c := range to.Counts {
		if from != nil && i < len(from.Counts) {
			c -= from.Counts[i]
		}
		counts[i] = c
		total += c
	}
	rank := uint64(math.Ceil(q * float64(total)))
	var seen uint64
	for i, c := range counts {
		if seen += c; c > 0 && seen >= rank {
			if upper := to.Buckets[i+1]; !math.IsInf(upper, 1) {
				return upper
			}
			return to.Buckets[i]
		}
	}
	return 0
}
