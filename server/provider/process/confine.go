package process

import (
	"log/slog"
	"strings"
	"sync"
	"time"

	"simplane/server/provider"
	"simplane/server/provider/process/guard"
	"simplane/server/provider/process/sockdiag"
)

// dataHeadroom is added to a memory limit enforced with RLIMIT_DATA, which
// counts what a runtime reserves for itself (Go some 40 MiB, a thread's stack
// 8 MiB), not what it uses.
const dataHeadroom = 64 << 20

// ceilings are the limits of a deployment's instances.
func (p *Provider) ceilings(d provider.Deployment) ceilings {
	cpu, _ := provider.ParseCPU(d.CPU) // validated when provisioned
	memory, _ := provider.ParseMemory(d.Memory)
	return ceilings{cpu, memory, p.opt.MaxProcesses}
}

// limited fills in the limits of a command that hold from its start.
func (in *instance) limited(d provider.Deployment, cmd *guard.Command) (*confinement, error) {
	p, limits := in.f.p, in.f.p.ceilings(d)
	if d.RuntimeMode == provider.FILE {
		cmd.MaxFileSize = uint64(p.opt.MaxFileBytes)
	}
	if limits.memory > 0 && !p.cgroups.has("memory") {
		cmd.MaxData = uint64(limits.memory) + dataHeadroom
	}
	c := &confinement{groups: p.cgroups, limits: limits}
	g, err := p.cgroups.take(limits)
	if err != nil {
		return nil, err
	}
	if c.group = g; g != nil {
		cmd.Cgroup, cmd.CgroupV1 = g.v2, g.v1
	}
	return c, nil
}

// confinement is the control group of one process, which may get it, or a part of
// it, only after its start.
type confinement struct {
	groups *cgroups
	limits ceilings

	mu     sync.Mutex
	group  *group // nil for none yet
	timer  *time.Timer
	ended  bool
	killed bool // the kernel killed one of its processes at the memory limit
}

// settleAfter is when a process that has no limit but that of its processes is
// moved to its group, if it was not started there: sooner would take the processor
// from its start. Until then the bound of all functions holds.
const settleAfter = 20 * time.Millisecond

// begin has a process that was started without all of its group moved into the
// rest. failed is called if that cannot be done.
func (c *confinement) begin(pid int, failed func(error)) {
	if c.group != nil && c.group.v1 != "" && c.limits.pids == 1 {
		if err := write(c.group.v1, "pids.max", "1"); err != nil {
			failed(err)
		}
	}
	if !c.groups.laterNeeded(c.limits) {
		return
	}
	after := settleAfter
	if c.limits.cpu > 0 || c.limits.memory > 0 {
		after = 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.timer = time.AfterFunc(after, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.ended {
			return
		}
		var err error
		if c.group, err = c.groups.complete(c.group, c.limits, pid); err != nil {
			failed(err)
		}
	})
}

// end releases the group of a process that has exited.
func (c *confinement) end() {
	if c == nil {
		return
	}
	c.mu.Lock()
	c.ended = true
	if c.timer != nil {
		c.timer.Stop()
	}
	g := c.group
	c.group = nil
	c.killed = c.killed || g.outOfMemory()
	c.mu.Unlock()
	c.groups.remove(g)
}

// suffix is the end of a description of how the process ended.
func (c *confinement) suffix() string {
	if c == nil {
		return ""
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.killed && !c.group.outOfMemory() {
		return ""
	}
	return "; the instance reached its memory limit"
}

// current is the group of the process; nil for none.
func (c *confinement) current() *group {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.group
}

// unheld says which protections do not hold on this machine, for any function.
func (p *Provider) unheld() (all []string) {
	if why := p.cgroups.missing["pids"]; why != "" {
		all = append(all, "the number of a function's processes is not limited: "+why)
	}
	if !sockdiag.Supported() {
		all = append(all, "the owner of an HTTP function's port is not checked: this kernel has no sock_diag, or it is not permitted (AF_NETLINK)")
	}
	return all
}

// notLimited notes, once, that a process of the function does without a limit.
func (in *instance) notLimited(why string) {
	f, text := in.f, "not limited: "+strings.ReplaceAll(why, "\n", "; ")
	f.mu.Lock()
	known := f.unlimited != ""
	f.unlimited = text
	f.mu.Unlock()
	if !known {
		in.note(slog.LevelWarn, text)
	}
}
