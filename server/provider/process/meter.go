package process

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"simplane/server/provider/process/proctree"
)

// meter adds up what the processes of one instance use. A nil meter measures
// nothing.
type meter struct {
	wanted func() bool // somebody asks for the figures

	mu    sync.Mutex
	live  map[*child]time.Duration // CPU time when last looked at
	ended time.Duration            // CPU time of those that are gone
}

func newMeter(wanted func() bool) *meter {
	return &meter{wanted: wanted, live: map[*child]time.Duration{}}
}

func (m *meter) add(c *child) {
	if m == nil {
		return
	}
	m.mu.Lock()
	m.live[c] = 0
	m.mu.Unlock()
}

// remove removes a child that has exited; its cgroup must still exist.
func (m *meter) remove(c *child) {
	if m == nil {
		return
	}
	var used proctree.Usage
	if m.wanted() {
		used, _ = c.usage()
	}
	m.mu.Lock()
	// The last reading may have been higher, with descendants that outlive
	// it, for example.
	m.ended += max(m.live[c], used.CPU, c.CPU())
	delete(m.live, c)
	m.mu.Unlock()
}

// read returns the CPU time used so far and the memory used now. The time may
// fall when a process leaves others behind that were counted with it.
func (m *meter) read() proctree.Usage {
	m.mu.Lock()
	defer m.mu.Unlock()
	sum := proctree.Usage{CPU: m.ended}
	for c := range m.live {
		if now, ok := c.usage(); ok {
			m.live[c] = now.CPU
			sum.Memory += now.Memory
		}
		sum.CPU += m.live[c]
	}
	return sum
}

// usage is what a child uses: the figures its cgroup has, when it is in one,
// else those of its process tree. false when neither is there: it has exited.
func (c *child) usage() (u proctree.Usage, ok bool) {
	select {
	case <-c.Done(): // its id may be another process's by now
	default:
		u, ok = proctree.Of(c.PID)
	}
	g := c.confined.current()
	if g == nil {
		return u, ok
	}
	// A group of version 1 has had the process for a part of its time only.
	if cpu, found := keyed(g.v2, "cpu.stat", "usage_usec"); found {
		u.CPU, ok = time.Duration(cpu)*time.Microsecond, true
	}
	if memory, found := g.workingSet(); found {
		u.Memory = memory
	}
	return u, ok
}

// workingSet is the memory of a group as Kubernetes counts it: without file
// pages that can be dropped at once. false without a memory controller.
func (g *group) workingSet() (int64, bool) {
	for _, dir := range g.dirs {
		for _, file := range []struct{ usage, inactive string }{
			{"memory.current", "inactive_file"}, {"memory.usage_in_bytes", "total_inactive_file"},
		} {
			raw, err := os.ReadFile(filepath.Join(dir, file.usage))
			if err != nil {
				continue
			}
			all, err := strconv.ParseInt(string(bytes.TrimSpace(raw)), 10, 64)
			inactive, _ := keyed(dir, "memory.stat", file.inactive)
			return max(0, all-inactive), err == nil
		}
	}
	return 0, false
}

// keyed reads one figure of a cgroup file of lines "key number".
func keyed(dir, file, key string) (int64, bool) {
	if dir == "" {
		return 0, false
	}
	raw, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		return 0, false
	}
	for line := range bytes.Lines(raw) {
		if rest, found := bytes.CutPrefix(line, []byte(key+" ")); found {
			n, err := strconv.ParseInt(string(bytes.TrimSpace(rest)), 10, 64)
			return n, err == nil
		}
	}
	return 0, false
}
