package cgroup

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// tree makes files below a root; the key is the path, the value its text.
func tree(t *testing.T, files map[string]string) (root string) {
	t.Helper()
	root = t.TempDir()
	for path, text := range files {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

const (
	v2Mount = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
	v1Mount = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n" +
		"35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n" +
		"36 31 0:33 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n" +
		"37 31 0:34 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n" +
		"41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
	v1Paths = "9:name=systemd:/\n4:memory:/a/b\n2:cpu,cpuacct:/c\n0::/u\n"
)

func TestMemoryLimitAtAnyDepth(t *testing.T) {
	for name, c := range map[string]struct {
		mounts, paths string
		files         map[string]string
		want          int64
	}{
		"systemd's MemoryMax of a service": {v2Mount, "0::/system.slice/simplane.service\n", map[string]string{
			"sys/fs/cgroup/system.slice/simplane.service/memory.max": "268435456\n",
			"sys/fs/cgroup/system.slice/memory.max":                  "max\n",
		}, 256 << 20},
		"of the slice above it": {v2Mount, "0::/system.slice/simplane.service/main\n", map[string]string{
			"sys/fs/cgroup/system.slice/simplane.service/main/cgroup.procs": "1\n",
			"sys/fs/cgroup/system.slice/simplane.service/memory.max":        "536870912\n",
			"sys/fs/cgroup/system.slice/memory.max":                         "134217728\n",
		}, 128 << 20},
		"a container with a namespace of its own": {v2Mount, "0::/\n", map[string]string{
			"sys/fs/cgroup/memory.max": "1048576\n",
		}, 1 << 20},
		"a path from outside the namespace": {v2Mount, "0::/../other\n", map[string]string{
			"sys/fs/cgroup/memory.max": "1048576\n",
			"sys/fs/other/memory.max":  "1\n",
		}, 1 << 20},
		"version 1": {v1Mount, v1Paths, map[string]string{
			"sys/fs/cgroup/memory/a/b/memory.limit_in_bytes": "9223372036854771712\n",
			"sys/fs/cgroup/memory/a/memory.limit_in_bytes":   "2097152\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes":     "9223372036854771712\n",
		}, 2 << 20},
		"version 1 in a container without a namespace": {
			"35 31 0:32 /docker/id /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n", "4:memory:/docker/id\n",
			map[string]string{"sys/fs/cgroup/memory/memory.limit_in_bytes": "4194304\n"}, 4 << 20},
		"both versions": {v1Mount, v1Paths, map[string]string{
			"sys/fs/cgroup/memory/a/b/memory.limit_in_bytes": "4194304\n",
			"sys/fs/cgroup/unified/u/memory.max":             "1048576\n",
		}, 1 << 20},
		"a mount point with a space": {
			`30 23 0:26 / /sys/fs/c\040group rw - cgroup2 cgroup2 rw` + "\n", "0::/x\n",
			map[string]string{"sys/fs/c group/x/memory.max": "1048576\n"}, 1 << 20},
		"none":         {v2Mount, "0::/x\n", map[string]string{"sys/fs/cgroup/x/memory.max": "max\n"}, 0},
		"not mounted":  {"", "0::/x\n", nil, 0},
		"another name": {v2Mount, "0::/x\n", map[string]string{"sys/fs/cgroup/y/memory.max": "1\n"}, 0},
		"malformed":    {"- \n - cgroup2\n1 2 3 4 5 - \n", "0\n:\n::\n0::/x", map[string]string{"memory.max": "1"}, 0},
	} {
		files := map[string]string{"proc/self/mountinfo": c.mounts, "proc/self/cgroup": c.paths}
		for path, text := range c.files {
			files[path] = text
		}
		if got := memoryLimit(tree(t, files)); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
	if got := memoryLimit(t.TempDir()); got != 0 {
		t.Errorf("without /proc: %d", got)
	}
}

func TestOwnGroups(t *testing.T) {
	root := tree(t, map[string]string{
		"proc/self/mountinfo": v1Mount, "proc/self/cgroup": v1Paths,
		"sys/fs/cgroup/cpu,cpuacct/c/tasks": "", "sys/fs/cgroup/memory/a/b/tasks": "", "sys/fs/cgroup/unified/cgroup.procs": "",
	})
	groups, err := own(root)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, g := range groups {
		dir, _ := strings.CutPrefix(g.Dir, root)
		if g.V2 {
			dir = "v2 " + dir
		}
		got = append(got, strings.Join(g.Names, "+")+" "+dir)
	}
	want := []string{
		"name=systemd /sys/fs/cgroup/systemd", // it is not there; its top is
		"memory /sys/fs/cgroup/memory/a/b",
		"cpu+cpuacct /sys/fs/cgroup/cpu,cpuacct/c",
		" v2 /sys/fs/cgroup/unified",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
