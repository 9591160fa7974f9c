package process

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"simplane/server/provider"
	"simplane/server/provider/process/guard"
)

// dataHeadroom is added to a memory limit enforced with RLIMIT_DATA, which
// counts what a runtime reserves for itself (Go some 40 MiB, a thread's stack
// 8 MiB), not what it uses.
const dataHeadroom = 64 << 20

// limits fills in the resource limits of a command.
func (in *instance) limits(id string, cmd *guard.Command) error {
	d := in.f.dep
	cpu, _ := provider.ParseCPU(d.CPU) // validated when provisioned
	memory, _ := provider.ParseMemory(d.Memory)
	if cpu == 0 && memory == 0 {
		return nil
	}
	if root := in.f.p.opt.CgroupRoot; root != "" {
		dir, err := makeCgroup(root, id, cpu, memory)
		if err != nil {
			return fmt.Errorf("the limits could not be applied: %w", err)
		}
		cmd.Cgroup = dir
		return nil
	}
	if memory > 0 {
		cmd.MaxData = uint64(memory) + dataHeadroom
	}
	return nil
}

// cpuPeriod is the time over which a cgroup's CPU quota is counted, in µs.
const cpuPeriod = 100_000

// makeCgroup makes a cgroup v2 directory with the limits, 0 for none.
func makeCgroup(root, id string, cpu float64, memory int64) (string, error) {
	dir := filepath.Join(root, "simplane-"+strconv.Itoa(os.Getpid())+"-"+id)
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", err
	}
	set := func(file, value string) error {
		return os.WriteFile(filepath.Join(dir, file), []byte(value), 0o644)
	}
	var err error
	if memory > 0 {
		err = set("memory.max", strconv.FormatInt(memory, 10))
		// Swapping would only hide that the limit was reached.
		_ = set("memory.swap.max", "0")
	}
	if err == nil && cpu > 0 {
		quota := max(1000, int64(cpu*cpuPeriod)) // the kernel's minimum is 1 ms
		err = set("cpu.max", fmt.Sprintf("%d %d", quota, cpuPeriod))
	}
	if err != nil {
		removeCgroup(dir)
		return "", err
	}
	return dir, nil
}

// removeCgroup kills what is left in the cgroup and removes it.
func removeCgroup(dir string) {
	if dir == "" {
		return
	}
	_ = os.WriteFile(filepath.Join(dir, "cgroup.kill"), []byte("1"), 0o644)
	_ = os.Remove(dir) // fails while a killed process lingers; an empty cgroup costs little
}
