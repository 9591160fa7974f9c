package process

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"simplane/server/provider/process/proctree"
)

// group is the control group of one instance. It does not change once it is made.
type group struct {
	v2    string   // directory of version 2; empty for none
	v1    string   // directory of version 1 that a process is started in; empty for none
	dirs  []string // all directories
	homes []home   // of each
}

// take makes a group with limits in the homes that a process is started in, nil
// if there are none.
func (c *cgroups) take(limits ceilings) (*group, error) {
	c.mu.Lock()
	g, err := c.spare, error(nil)
	c.spare = nil
	if g == nil {
		g, err = c.fresh(limits, true)
	}
	c.mu.Unlock()
	if g == nil {
		return nil, err
	}
	if err := g.limit(limits); err != nil {
		c.remove(g)
		return nil, err
	}
	return g, nil
}

// complete makes what a group has in the other homes, moves a process that was
// started in early, nil if there is none, into it and returns the whole. early is
// not used any more then.
func (c *cgroups) complete(early *group, limits ceilings, leader int) (*group, error) {
	c.mu.Lock()
	late, err := c.fresh(limits, false)
	c.mu.Unlock()
	if late == nil {
		return early, err
	}
	if err = late.limit(limits); err == nil {
		err = late.join(leader)
	}
	if early != nil {
		late.v1, late.v2 = early.v1, early.v2
		late.dirs, late.homes = append(late.dirs, early.dirs...), append(late.homes, early.homes...)
	}
	return late, err
}

// laterNeeded reports whether limits need a group that a process is moved into.
func (c *cgroups) laterNeeded(limits ceilings) bool {
	return slices.ContainsFunc(c.homes, func(h home) bool {
		return !h.early() && slices.ContainsFunc(h.controllers, limits.need)
	})
}

// fill makes the group that the next process is started in.
func (c *cgroups) fill() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.spare == nil && !c.closed {
		c.spare, _ = c.fresh(ceilings{pids: 1}, true)
	}
}

// fresh makes the directories of a group: those that a process is started in, or
// the others. Called with c.mu held.
func (c *cgroups) fresh(limits ceilings, early bool) (*group, error) {
	if c.closed {
		return nil, nil
	}
	var g *group
	for _, h := range c.homes {
		if h.early() != early || !h.v2 && !slices.ContainsFunc(h.controllers, limits.need) {
			continue // it would only cost time
		}
		if g == nil {
			g = &group{}
			c.count++
		}
		dir := filepath.Join(h.path, strconv.Itoa(c.count))
		if err := os.Mkdir(dir, 0o755); err != nil {
			c.stale = append(c.stale, g.dirs...)
			return nil, err
		}
		g.dirs, g.homes = append(g.dirs, dir), append(g.homes, h)
		switch {
		case h.v2:
			g.v2 = dir
		case early:
			g.v1 = dir
		}
	}
	return g, nil
}

// cpuPeriod is the time over which a group's processor time is counted, in µs.
const cpuPeriod = 100_000

// limit sets what limits ask for in the group's homes.
func (g *group) limit(limits ceilings) error {
	var errs []error
	for i, h := range g.homes {
		dir := g.dirs[i]
		set := func(file, value string) { errs = append(errs, write(dir, file, value)) }
		has := func(name string) bool { return limits.need(name) && slices.Contains(h.controllers, name) }
		memory := strconv.FormatInt(limits.memory, 10)
		quota := strconv.FormatInt(max(1000, int64(limits.cpu*cpuPeriod)), 10) // the kernel's minimum is 1 ms
		if has("pids") {
			most := limits.pids
			if dir == g.v1 {
				most = max(most, 2) // it has the guard's thread, too, during the start
			}
			set("pids.max", strconv.Itoa(most))
		}
		if has("memory") && h.v2 {
			set("memory.max", memory)
			// Swapping would only hide that the limit was reached, and one
			// process of an instance is of no use without the others.
			_ = write(dir, "memory.swap.max", "0")
			_ = write(dir, "memory.oom.group", "1")
		}
		if has("memory") && !h.v2 {
			set("memory.limit_in_bytes", memory)
			_ = write(dir, "memory.memsw.limit_in_bytes", memory)
		}
		if has("cpu") && h.v2 {
			errs = append(errs, write(h.path, "cgroup.subtree_control", "+cpu"))
			set("cpu.max", quota+" "+strconv.Itoa(cpuPeriod))
		}
		if has("cpu") && !h.v2 {
			set("cpu.cfs_period_us", strconv.Itoa(cpuPeriod))
			set("cpu.cfs_quota_us", quota)
		}
	}
	return errors.Join(errs...)
}

// join moves a process and its descendants into a group. What they start
// meanwhile is looked for again; a process that has no children once it is in
// the group has started none outside.
func (g *group) join(leader int) error {
	in := map[int]bool{}
	var errs []error
	for before := -1; len(in) > before; {
		before = len(in)
		proctree.Walk(leader, func(pid int) bool {
			if in[pid] {
				return true
			}
			for _, dir := range g.dirs {
				if err := write(dir, "cgroup.procs", strconv.Itoa(pid)); err != nil && !errors.Is(err, syscall.ESRCH) {
					errs = append(errs, err)
					return false
				}
			}
			in[pid] = true
			return true
		})
		if len(in) == 1 {
			break
		}
	}
	return errors.Join(errs...)
}

// outOfMemory reports whether the kernel killed a process of the group at its
// memory limit.
func (g *group) outOfMemory() bool {
	if g == nil {
		return false
	}
	for _, dir := range g.dirs {
		for _, file := range []string{"memory.events", "memory.oom_control"} {
			if n, ok := keyed(dir, file, "oom_kill"); ok && n > 0 {
				return true
			}
		}
	}
	return false
}

// remove kills what is left in a group and removes it. A process that takes
// time to go keeps its directory; it is tried again with the next group.
func (c *cgroups) remove(g *group) {
	if g == nil {
		return
	}
	for _, dir := range g.dirs {
		killAll(dir)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stale = slices.DeleteFunc(append(c.stale, g.dirs...), func(dir string) bool {
		err := unix.Rmdir(dir)
		return err == nil || err == unix.ENOENT
	})
}

// killAll kills the processes in a group, but for the guard, this process's
// child: its thread may be there because of a start that nobody waits for.
func killAll(dir string) {
	if write(dir, "cgroup.kill", "1") == nil { // Linux 5.14, version 2
		return
	}
	raw, _ := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	for pid := range strings.FieldsSeq(string(raw)) {
		if n, err := strconv.Atoi(pid); err == nil && n > 1 && proctree.Parent(n) != os.Getpid() {
			_ = syscall.Kill(n, syscall.SIGKILL)
		}
	}
}
