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
)

// CgroupAuto is the CgroupRoot that stands for the groups simplane is in.
const CgroupAuto = "auto"

// cgroups makes a control group for each instance, with limits for all its
// processes together. Of version 2 that is one directory, of version 1 one for
// each controller. See home.early for which a process is started in; into the
// others it is moved. To move another process takes some 10 ms at times, in which
// no process of the machine forks or exits, so that is done only for functions
// with a limit that needs it.
type cgroups struct {
	homes   []home
	missing map[string]string // by controller: why it is not there

	adopting sync.WaitGroup

	mu     sync.Mutex
	count  int
	spare  *group   // of early homes, made before it is needed
	stale  []string // directories that could not be removed yet
	closed bool
}

// home is a directory of this provider's that instances' groups are made in.
type home struct {
	*claim
	v2          bool
	controllers []string
}

// early reports whether a process is started in its group: of version 2, as the
// kernel offers that, and where processes are counted and nothing else. There the
// guard's thread is in the group while it forks. In a group that limits memory or
// processor time that could stop the guard, and with it the start of others.
func (h home) early() bool {
	return h.v2 || len(h.controllers) == 1 && h.controllers[0] == "pids"
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

// adopt puts the guard under the bound for all functions together, where
// processes are moved to their groups after they have started.
func (c *cgroups) adopt(pid int) {
	for _, h := range c.homes {
		if !h.early() && slices.Contains(h.controllers, "pids") {
			c.adopting.Go(func() {
				time.Sleep(settleAfter) // the first function is being started
				_ = write(h.path, "cgroup.procs", strconv.Itoa(pid))
			})
		}
	}
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
