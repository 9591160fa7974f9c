package process

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"simplane/server/internal/cgroup"
	"simplane/server/provider/process/guard"
	"simplane/server/provider/process/proctree"
)

// CgroupAuto is the CgroupRoot that stands for the groups simplane is in.
const CgroupAuto = "auto"

// cgroups makes a control group for each instance, with limits for all its
// processes together. Of version 2 that is one directory, in which a process is
// started. Of version 1 it is one for each controller, into which a process is
// moved: that takes some 10 ms at times, so it is done while the process starts.
type cgroups struct {
	homes   []home
	missing map[string]string // by controller: why it is not there

	adopting sync.WaitGroup

	mu     sync.Mutex
	count  int
	spare  *group   // of version 2, made before it is needed
	stale  []string // directories that could not be removed yet
	closed bool
}

// home is a directory of this provider's that instances' groups are made in.
type home struct {
	*claim
	v2          bool
	controllers []string
}

// group is the control group of one instance.
type group struct {
	v2    string   // directory of version 2; empty for none
	dirs  []string // all directories
	homes []home   // of each
}

// ceilings are what an instance may use; 0 means no limit of its own.
type ceilings struct {
	cpu    float64 // cores
	memory int64   // bytes
	pids   int     // processes and threads
}

// controllers are those in use.
var controllers = []string{"memory", "pids", "cpu"}

const cgroupPrefix = "simplane-"

// openCgroups prepares root, or the groups simplane is in for CgroupAuto. What
// cannot be used is in missing. Those that a killed simplane left are removed.
func openCgroups(root string) *cgroups {
	c := &cgroups{missing: map[string]string{}}
	var candidates []cgroup.Group
	var err error
	switch root {
	case "":
		err = errors.New("no control group is configured")
	case CgroupAuto:
		candidates, err = cgroup.Own()
	default:
		candidates, err = named(root)
	}
	for _, name := range controllers {
		c.missing[name] = "no control group has the controller"
		if err != nil {
			c.missing[name] = err.Error()
		}
	}
	for _, g := range candidates {
		var wanted []string
		for _, name := range available(g) {
			if c.missing[name] != "" && slices.Contains(controllers, name) {
				wanted = append(wanted, name)
			}
		}
		if len(wanted) == 0 {
			continue
		}
		h, err := newHome(g, wanted)
		for _, name := range wanted {
			if slices.Contains(h.controllers, name) {
				delete(c.missing, name)
			} else {
				c.missing[name] = cmp.Or(err, errors.New("the controller cannot be switched on")).Error()
			}
		}
		if h.claim != nil {
			c.homes = append(c.homes, h)
		}
	}
	return c
}

// named is a directory as a group, by what is in it.
func named(dir string) ([]cgroup.Group, error) {
	g := cgroup.Group{Dir: dir, Top: dir}
	for file, name := range map[string]string{"memory.limit_in_bytes": "memory", "pids.max": "pids", "cpu.cfs_quota_us": "cpu"} {
		if _, err := os.Stat(filepath.Join(dir, file)); err == nil {
			g.Names = append(g.Names, name)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "cgroup.controllers")); err == nil {
		g.V2, g.Names = true, nil
	} else if len(g.Names) == 0 {
		return nil, fmt.Errorf("%s is no control group", dir)
	}
	return []cgroup.Group{g}, nil
}

// available are the controllers of a group.
func available(g cgroup.Group) []string {
	if !g.V2 {
		return g.Names
	}
	raw, _ := os.ReadFile(filepath.Join(g.Dir, "cgroup.controllers"))
	return strings.Fields(string(raw))
}

// newHome makes a home in a group. It may have fewer controllers than wanted,
// or none and no directory; the error says why.
func newHome(g cgroup.Group, wanted []string) (home, error) {
	_ = sweep(g.Dir, cgroupPrefix, removeTree)
	dir, err := newClaim(g.Dir, cgroupPrefix)
	if err != nil {
		if cause := errors.Unwrap(err); cause != nil {
			err = cause // the name that was tried says nothing
		}
		return home{}, fmt.Errorf("no group can be made in %s: %w", g.Dir, err)
	}
	h := home{claim: dir, v2: g.V2, controllers: wanted}
	if g.V2 {
		h.controllers = nil
		for _, name := range wanted {
			if e := switchOn(g.Dir, dir.path, name); e != nil {
				err = errors.Join(err, e)
				continue
			}
			h.controllers = append(h.controllers, name)
			if name == "cpu" {
				// It also divides processor time by groups and no longer by
				// processes, which only those with a limit are to pay for.
				_ = write(dir.path, "cgroup.subtree_control", "-cpu")
			}
		}
		if len(h.controllers) == 0 {
			_ = dir.release(removeTree)
			return home{}, err
		}
	}
	if most := guard.Processes() / 2; most > 0 && slices.Contains(h.controllers, "pids") {
		// All functions together leave the machine half.
		_ = write(dir.path, "pids.max", strconv.FormatUint(most, 10))
	}
	return h, err
}

// switchOn has the groups below home, which is in dir, have a controller. A
// group that has such groups may have no process of its own; if this one is its
// only one, it moves to a group beside home.
func switchOn(dir, home, name string) error {
	err := write(dir, "cgroup.subtree_control", "+"+name)
	if errors.Is(err, syscall.EBUSY) && alone(dir) {
		aside := filepath.Join(dir, "simplane.main")
		if err = os.Mkdir(aside, 0o755); err == nil || errors.Is(err, os.ErrExist) {
			err = write(aside, "cgroup.procs", strconv.Itoa(os.Getpid()))
		}
		if err == nil {
			err = write(dir, "cgroup.subtree_control", "+"+name)
		}
	}
	if errors.Is(err, syscall.EBUSY) {
		return fmt.Errorf("%s has other processes; give simplane a group of its own", dir)
	}
	if err != nil {
		return err
	}
	return write(home, "cgroup.subtree_control", "+"+name)
}

// alone reports whether a group has this process and no other.
func alone(dir string) bool {
	raw, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	return err == nil && strings.TrimSpace(string(raw)) == strconv.Itoa(os.Getpid())
}

func write(dir, file, value string) error {
	f, err := os.OpenFile(filepath.Join(dir, file), os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}

// has reports whether groups have a controller.
func (c *cgroups) has(controller string) bool { return c.missing[controller] == "" }

// early reports whether a process is started in its group.
func (c *cgroups) early() bool { return len(c.homes) > 0 && c.homes[0].v2 }

// adopt puts the guard under the bound for all functions together, where
// processes are moved to their groups after they have started.
func (c *cgroups) adopt(pid int) {
	for _, h := range c.homes {
		if !h.v2 && slices.Contains(h.controllers, "pids") {
			c.adopting.Go(func() {
				time.Sleep(settleAfter) // the first function is being started
				_ = write(h.path, "cgroup.procs", strconv.Itoa(pid))
			})
		}
	}
}

// take makes a group with limits, nil if there are none.
func (c *cgroups) take(limits ceilings) (*group, error) {
	c.mu.Lock()
	g, err := c.spare, error(nil)
	c.spare = nil
	if g == nil {
		g, err = c.fresh(limits)
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

// fill makes the group that the next process is started in.
func (c *cgroups) fill() {
	if !c.early() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.spare == nil && !c.closed {
		c.spare, _ = c.fresh(ceilings{})
	}
}

// fresh makes the directories of a group. Called with c.mu held.
func (c *cgroups) fresh(limits ceilings) (*group, error) {
	if c.closed {
		return nil, nil
	}
	var g *group
	for _, h := range c.homes {
		if !h.v2 && !slices.ContainsFunc(h.controllers, limits.need) {
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
		if h.v2 {
			g.v2 = dir
		}
	}
	return g, nil
}

// need reports whether limits need a controller.
func (l ceilings) need(controller string) bool {
	switch controller {
	case "memory":
		return l.memory > 0
	case "cpu":
		return l.cpu > 0
	}
	return l.pids > 0
}

// cpuPeriod is the time over which a group's processor time is counted, in µs.
const cpuPeriod = 100_000

func (g *group) limit(limits ceilings) error {
	var errs []error
	for i, h := range g.homes {
		dir := g.dirs[i]
		set := func(file, value string) { errs = append(errs, write(dir, file, value)) }
		has := func(name string) bool { return limits.need(name) && slices.Contains(h.controllers, name) }
		memory := strconv.FormatInt(limits.memory, 10)
		quota := strconv.FormatInt(max(1000, int64(limits.cpu*cpuPeriod)), 10) // the kernel's minimum is 1 ms
		if has("pids") {
			set("pids.max", strconv.Itoa(limits.pids))
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

// killAll kills the processes in a group.
func killAll(dir string) {
	if write(dir, "cgroup.kill", "1") == nil { // Linux 5.14, version 2
		return
	}
	raw, _ := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	for pid := range strings.FieldsSeq(string(raw)) {
		if n, err := strconv.Atoi(pid); err == nil && n > 1 {
			_ = syscall.Kill(n, syscall.SIGKILL)
		}
	}
}

// removeTree removes a home with the groups in it, which are empty.
func removeTree(path string) error {
	entries, err := os.ReadDir(path)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.IsDir() {
			_ = unix.Rmdir(filepath.Join(path, e.Name()))
		}
	}
	return os.Remove(path)
}

// close removes what was made; all processes have exited.
func (c *cgroups) close() {
	c.adopting.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for _, h := range c.homes {
		_ = h.release(removeTree)
	}
}
