package process

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"simplane/server/internal/cgroup"
	"simplane/server/provider"
)

// fakeGroup is a plain directory with the files that tell a control group: what
// is written into it is what the kernel would act on.
func fakeGroup(t *testing.T, files map[string]string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestWhatIsWrittenToControlGroups(t *testing.T) {
	for name, c := range map[string]struct {
		root, missing map[string]string
		want          map[string]string
	}{
		"version 2": {
			root: map[string]string{"cgroup.controllers": "cpuset cpu io memory pids\n", "cgroup.procs": ""},
			want: map[string]string{
				"memory.max": "4294967296", "memory.swap.max": "0", "memory.oom.group": "1",
				"cpu.max": "50000 100000", "pids.max": "64", "cgroup.kill": "1",
			},
		},
		"version 2 with one controller": {
			root:    map[string]string{"cgroup.controllers": "memory\n", "cgroup.procs": ""},
			missing: map[string]string{"pids": "no control group has", "cpu": "no control group has"},
			want:    map[string]string{"memory.max": "4294967296", "cpu.max": "", "pids.max": ""},
		},
		"version 1": {
			root:    map[string]string{"memory.limit_in_bytes": "9223372036854771712\n"},
			missing: map[string]string{"pids": "no control group has", "cpu": "no control group has"},
			want:    map[string]string{"memory.limit_in_bytes": "4294967296", "memory.memsw.limit_in_bytes": "4294967296", "memory.max": "", "pids.max": ""},
		},
		"version 1, cpu and pids": {
			root:    map[string]string{"pids.max": "max\n", "cpu.cfs_quota_us": "-1\n"},
			missing: map[string]string{"memory": "no control group has"},
			want:    map[string]string{"cpu.cfs_quota_us": "50000", "cpu.cfs_period_us": "100000", "pids.max": "64", "memory.limit_in_bytes": ""},
		},
	} {
		t.Run(name, func(t *testing.T) {
			root := fakeGroup(t, c.root)
			p := start(t, Options{CgroupRoot: root, MaxProcesses: 64})
			for _, controller := range controllers {
				got, want := p.cgroups.missing[controller], c.missing[controller]
				if (want == "") != (got == "") || !strings.Contains(got, want) {
					t.Errorf("%s is missing because %q, want %q", controller, got, want)
				}
			}
			d := stdio(t)
			d.CPU, d.Memory = "500m", "4Gi" // RLIMIT_DATA, where it is used, leaves room for the race detector
			provision(t, p, d)
			pid := string(invoke(t, p, "stdio", `"do:pid"`).Output)
			var group string
			eventually(t, "the process is in a group", func() bool {
				procs, _ := filepath.Glob(filepath.Join(root, cgroupPrefix+"*", "*", "cgroup.procs"))
				procs = slices.DeleteFunc(procs, func(file string) bool { b, _ := os.ReadFile(file); return string(b) != pid })
				if len(procs) == 1 {
					group = filepath.Dir(procs[0])
				}
				return group != ""
			})
			if strings.HasPrefix(name, "version 2") {
				if got := readFile(t, filepath.Join(root, "cgroup.subtree_control")); !strings.HasPrefix(got, "+") {
					t.Errorf("controllers are switched on with %q", got)
				}
			}
			status, _ := p.Status("stdio")
			for controller := range c.missing {
				word := map[string]string{"pids": "number of", "cpu": "cpu limit 500m", "memory": "memory limit"}[controller]
				if !strings.Contains(status.LimitsError, word) {
					t.Errorf("without %s the status says %q", controller, status.LimitsError)
				}
			}
			if len(c.missing) == 0 && status.LimitsError != "" {
				t.Errorf("all limits hold, and the status says %q", status.LimitsError)
			}
			if err := p.Deprovision(context.Background(), "stdio"); err != nil {
				t.Fatal(err)
			}
			for file, want := range c.want {
				got, _ := os.ReadFile(filepath.Join(group, file))
				if string(got) != want {
					t.Errorf("%s = %q, want %q", file, got, want)
				}
			}
		})
	}
}

func TestUnusableControlGroupIsSaid(t *testing.T) {
	for root, why := range map[string]string{
		"/no/such/group": "is no control group",
		t.TempDir():      "is no control group",
		"":               "no control group is configured",
	} {
		p := start(t, Options{CgroupRoot: root})
		d := stdio(t)
		d.Memory, d.CPU = "1Gi", "1"
		provision(t, p, d)
		wantOutput(t, invoke(t, p, "stdio", `1`), `1`)
		wantLog(t, p, "stdio", "limits that do not hold")
		status, _ := p.Status("stdio")
		for _, part := range []string{why, "memory limit holds for each process", "cpu limit 1 is not enforced", "number of"} {
			if !strings.Contains(status.LimitsError, part) {
				t.Errorf("%q: the status says %q, nothing of %q", root, status.LimitsError, part)
			}
		}
	}
}

// realGroups are the control groups of this machine with a controller; the test
// is skipped if there are none that this user may write to.
func realGroups(t *testing.T, controller string) {
	t.Helper()
	probe := openCgroups(CgroupAuto)
	defer probe.close()
	if why := probe.missing[controller]; why != "" {
		t.Skipf("NOT TESTED: no control group with %s: %s", controller, why)
	}
}

// groupsOf are the lines of /proc/PID/cgroup.
func groupsOf(pid int) string {
	text, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cgroup")
	return string(text)
}

func pidIn(t *testing.T, r provider.Result) int {
	t.Helper()
	var pid int
	if err := json.Unmarshal(r.Output, &pid); err != nil {
		t.Fatalf("%+v: %v", r, err)
	}
	return pid
}

func TestRealControlGroupsComeAndGo(t *testing.T) {
	realGroups(t, "pids")
	p := New(Options{CgroupRoot: CgroupAuto})
	d := stdio(t)
	d.Memory = "256Mi"
	provision(t, p, d)
	pid := pidIn(t, invoke(t, p, "stdio", `"do:pid"`))
	eventually(t, "the process is in a group", func() bool { return strings.Contains(groupsOf(pid), "/"+cgroupPrefix) })
	homes := p.cgroups.homes
	if err := p.Deprovision(context.Background(), "stdio"); err != nil {
		t.Fatal(err)
	}
	for _, h := range homes {
		entries, err := os.ReadDir(h.path)
		if err != nil {
			t.Fatal(err)
		}
		entries = slices.DeleteFunc(entries, func(e os.DirEntry) bool { return !e.IsDir() })
		if h.early() && len(entries) == 1 {
			continue // for the next process
		}
		for _, e := range entries {
			t.Errorf("%s is left in %s", e.Name(), h.path)
		}
	}
	if err := p.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	for _, h := range homes {
		if _, err := os.Stat(h.path); !os.IsNotExist(err) {
			t.Errorf("%s is left: %v", h.path, err)
		}
	}
}

func TestLeftControlGroupsAreSwept(t *testing.T) {
	realGroups(t, "pids")
	killed := openCgroups(CgroupAuto)
	if _, err := killed.take(ceilings{pids: 10}); err != nil {
		t.Fatal(err)
	}
	lives := openCgroups(CgroupAuto)
	defer lives.close()
	for _, h := range killed.homes {
		h.lock.Close() // as the kernel does
	}
	openCgroups(CgroupAuto).close()
	for _, h := range killed.homes {
		if _, err := os.Stat(h.path); !os.IsNotExist(err) {
			t.Errorf("%s is left: %v", h.path, err)
		}
	}
	for _, h := range lives.homes {
		if _, err := os.Stat(h.path); err != nil {
			t.Errorf("removed in use: %v", err)
		}
	}
}

// What a function starts is in its group with it, also what has left its
// process group and its environment behind, and goes with it.
func TestGroupEndsWithItsFunction(t *testing.T) {
	realGroups(t, "pids")
	p := start(t, Options{CgroupRoot: CgroupAuto})
	file := filepath.Join(t.TempDir(), "pid")
	provision(t, p, provider.Deployment{Name: "leaves", RuntimeMode: provider.STDIO, Replicas: 1, Env: map[string]string{"FILE": file},
		RuntimeCommand: `while ! grep -q '/` + cgroupPrefix + `[^/]*/[0-9]' /proc/self/cgroup; do :; done
			(env -i setsid sh -c 'echo $$ > "$1"; exec sleep 1000' x "$FILE" &)
			while read line; do echo '{"output":1}'; done`})
	wantOutput(t, invoke(t, p, "leaves", `1`), `1`)
	stray := readPID(t, file)
	if !strings.Contains(groupsOf(stray), "/"+cgroupPrefix) {
		t.Errorf("the stray process is in %s", groupsOf(stray))
	}
	if err := p.Deprovision(context.Background(), "leaves"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the stray process is gone", func() bool { return !alive(stray) })
}

func TestForkBombIsBounded(t *testing.T) {
	realGroups(t, "pids")
	const most = 30
	p := start(t, Options{CgroupRoot: CgroupAuto, MaxProcesses: most})
	provision(t, p, provider.Deployment{Name: "bomb", RuntimeMode: provider.FILE, Replicas: 1, Commands: []string{"python3", "-c", `
import os, time
while "/` + cgroupPrefix + `" not in open("/proc/self/cgroup").read(): time.sleep(0.001)
time.sleep(0.1)
n = 0
try:
    while n < 500:
        if os.fork() == 0:
            time.sleep(1000)
        n += 1
except BlockingIOError:
    pass
open(os.environ["OUTPUT_FILE"], "w").write(str(n))
`}})
	r := invoke(t, p, "bomb", `1`)
	if n := pidIn(t, r); n == 0 || n >= most {
		t.Errorf("%d processes were started with a bound of %d", n, most)
	}
}

// The limit is that of the instance: three processes that each have less than
// it do not get past it.
func TestMemoryLimitIsForAllProcessesOfAnInstance(t *testing.T) {
	realGroups(t, "memory")
	p := start(t, Options{CgroupRoot: CgroupAuto})
	d := provider.Deployment{Name: "greedy", RuntimeMode: provider.FILE, Replicas: 1, Commands: []string{"python3", "-c", `
import os, time
while "memory:" in open("/proc/self/cgroup").read() and "/` + cgroupPrefix + `" not in [l for l in open("/proc/self/cgroup") if "memory:" in l][0]: time.sleep(0.001)
pids = []
for _ in range(3):
    pid = os.fork()
    if pid == 0:
        b = bytearray(os.urandom(1 << 20) * 60)
        time.sleep(1)
        os._exit(0)
    pids.append(pid)
killed = sum(os.waitpid(pid, 0)[1] != 0 for pid in pids)
open(os.environ["OUTPUT_FILE"], "w").write(str(killed))
`}}
	d.Memory = "100Mi"
	provision(t, p, d)
	r := invoke(t, p, "greedy", `1`)
	if r.OK() && string(r.Output) == "0" {
		t.Error("three processes of 60 MiB lived with a limit of 100 MiB")
	}
	alone := d
	alone.Name, alone.Commands = "alone", []string{"python3", "-c", `
import time
while "memory:" in open("/proc/self/cgroup").read() and "/` + cgroupPrefix + `" not in [l for l in open("/proc/self/cgroup") if "memory:" in l][0]: time.sleep(0.001)
b = bytearray(b"x" * (1 << 20)) * 300
`}
	provision(t, p, alone)
	wantCode(t, invoke(t, p, "alone", `1`), provider.CodeCrashed, "signal 9", "memory limit")
	d.Name, d.Memory = "modest", "400Mi"
	provision(t, p, d)
	wantOutput(t, invoke(t, p, "modest", `1`), `0`)
}

// Where processes are counted and nothing else, one is in its group from its first
// instruction, of version 1, too: it can be without a child of its own.
func TestProcessesAreCountedFromTheStart(t *testing.T) {
	realGroups(t, "pids")
	// What is called python3 may be a script, which starts processes of its own.
	python, err := exec.Command("python3", "-c", "import sys; print(sys.executable, end='')").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, most := range []int{1, 2, 30} {
		p := start(t, Options{CgroupRoot: CgroupAuto, MaxProcesses: most})
		if !slices.ContainsFunc(p.cgroups.homes, func(h home) bool { return h.early() && slices.Contains(h.controllers, "pids") }) {
			t.Skip("NOT TESTED: processes are counted in a hierarchy with other controllers")
		}
		provision(t, p, provider.Deployment{Name: "where", RuntimeMode: provider.FILE, Replicas: 1, Commands: []string{string(python), "-c", `
import os
in_group = [l for l in open("/proc/self/cgroup") if "/` + cgroupPrefix + `" in l]
n = 0
try:
    while n < 40:
        if os.fork() == 0:
            import time
            time.sleep(1000)
        n += 1
except BlockingIOError:
    pass
open(os.environ["OUTPUT_FILE"], "w").write(str(n if in_group else -1))
`}})
		for range 3 {
			if n := pidIn(t, invoke(t, p, "where", `1`)); n != most-1 {
				t.Errorf("a process that may have %d in all started %d others, or was not in a group (-1)", most, n)
			}
		}
		status, _ := p.Status("where")
		if status.LimitsError != "" {
			t.Errorf("all limits hold, and the status says %q", status.LimitsError)
		}
	}
}

// The guard is in a function's group for a moment. It does not go with it.
func TestTheGuardOutlivesAGroup(t *testing.T) {
	realGroups(t, "pids")
	p := start(t, Options{CgroupRoot: CgroupAuto})
	provision(t, p, stdio(t))
	invoke(t, p, "stdio", `1`) // there is a guard now
	i := slices.IndexFunc(p.cgroups.homes, func(h home) bool { return h.early() && !h.v2 })
	if i < 0 {
		t.Skip("NOT TESTED: no hierarchy of version 1 that counts processes and nothing else")
	}
	g, err := p.cgroups.take(ceilings{pids: 10})
	if err != nil {
		t.Fatal(err)
	}
	if err := write(g.v1, "cgroup.procs", strconv.Itoa(p.guard.PID())); err != nil {
		t.Fatal(err)
	}
	p.cgroups.remove(g)
	if !p.guard.Alive() || !alive(p.guard.PID()) {
		t.Error("the guard was killed with a group")
	}
	wantOutput(t, invoke(t, p, "stdio", `2`), `2`)
}

// Of version 2 a process is in its group from its first instruction. The
// hierarchy needs no controllers for that.
func TestProcessIsStartedInItsGroup(t *testing.T) {
	groups, err := cgroup.Own()
	if err != nil {
		t.Skip("NOT TESTED:", err)
	}
	i := slices.IndexFunc(groups, func(g cgroup.Group) bool { return g.V2 })
	if i < 0 {
		t.Skip("NOT TESTED: no control group of version 2")
	}
	dir, err := newClaim(groups[i].Dir, cgroupPrefix)
	if err != nil {
		t.Skip("NOT TESTED: no control group of version 2 to write to:", err)
	}
	p := start(t, Options{})
	p.cgroups = &cgroups{homes: []home{{claim: dir, v2: true}}, missing: map[string]string{}}
	provision(t, p, provider.Deployment{Name: "where", RuntimeMode: provider.FILE, Replicas: 1,
		RuntimeCommand: `printf '"%s"' "$(grep ^0: /proc/self/cgroup)" > "$OUTPUT_FILE"`})
	for range 3 {
		r := invoke(t, p, "where", `1`)
		if !strings.Contains(string(r.Output), "/"+filepath.Base(dir.path)+"/") {
			t.Errorf("started in %s, %s", r.Output, r.ErrorMessage)
		}
	}
}
