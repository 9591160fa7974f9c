// Package cgroup finds the control groups that this process is in, of both
// versions, wherever they are mounted.
package cgroup

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Group is a group that this process is in.
type Group struct {
	Dir   string // of the group
	Top   string // the highest group of its hierarchy that can be seen; Dir or above it
	V2    bool
	Names []string // of a v1 hierarchy's controllers, such as "memory"
}

// Own lists the groups of this process: one of version 2, and one for each
// hierarchy of version 1. An error says that none can be found.
func Own() ([]Group, error) { return own("/") }

// own takes proc and sys from below root.
func own(root string) ([]Group, error) {
	mounts, err := os.ReadFile(filepath.Join(root, "proc/self/mountinfo"))
	if err != nil {
		return nil, err
	}
	paths, err := os.ReadFile(filepath.Join(root, "proc/self/cgroup"))
	if err != nil {
		return nil, err
	}
	var found []Group
	for line := range strings.Lines(string(paths)) {
		// "4:memory:/a/b"; of version 2 "0::/a/b".
		id, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		names, path, ok := strings.Cut(rest, ":")
		if !ok {
			continue
		}
		g := Group{V2: id == "0" && names == ""}
		if !g.V2 {
			g.Names = strings.Split(names, ",")
		}
		for mount := range strings.Lines(string(mounts)) {
			if top, below, ok := g.mounted(mount); ok {
				g.Top = filepath.Join(root, top)
				g.Dir = filepath.Join(g.Top, within(path, below))
				if _, err := os.Stat(g.Dir); err != nil {
					g.Dir = g.Top // the path is that of another namespace
				}
				found = append(found, g)
				break
			}
		}
	}
	if len(found) == 0 {
		return nil, errors.New("no control group is mounted")
	}
	return found, nil
}

// mounted reports whether a line of mountinfo is that of the group's hierarchy,
// where it is mounted, and which group is mounted there.
func (g Group) mounted(line string) (at, group string, ok bool) {
	// "36 35 98:0 /group /at rw,noatime shared:1 - cgroup cgroup rw,memory"
	before, after, _ := strings.Cut(line, " - ")
	fields, kind := strings.Fields(before), strings.Fields(after)
	if len(fields) < 5 || len(kind) < 3 {
		return "", "", false
	}
	switch kind[0] {
	case "cgroup2":
		ok = g.V2
	case "cgroup":
		options := strings.Split(kind[2], ",")
		ok = !g.V2 && !slices.ContainsFunc(g.Names, func(n string) bool { return !slices.Contains(options, n) })
	}
	return unescape(fields[4]), unescape(fields[3]), ok
}

// within is path seen from the group that is mounted.
func within(path, mounted string) string {
	rest, ok := strings.CutPrefix(path, strings.TrimSuffix(mounted, "/"))
	if !ok || rest != "" && rest[0] != '/' || strings.HasPrefix(path, "/..") {
		return "/"
	}
	return rest
}

// unescape resolves the octal escapes of mountinfo, such as \040 for a space.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// MemoryLimit is the least memory limit, in bytes, of the groups this process
// is in and of those above them; 0 for none. A limit of version 1 that means
// none is a number that no machine has.
func MemoryLimit() int64 { return memoryLimit("/") }

func memoryLimit(root string) (least int64) {
	groups, err := own(root)
	if err != nil {
		return 0
	}
	for _, g := range groups {
		for dir := g.Dir; ; dir = filepath.Dir(dir) {
			for _, file := range []string{"memory.max", "memory.limit_in_bytes"} {
				if n := number(filepath.Join(dir, file)); n > 0 && (least == 0 || n < least) {
					least = n
				}
			}
			if dir == g.Top || len(dir) <= len(g.Top) {
				break
			}
		}
	}
	return least
}

// number reads a file of one number; 0 if it has none ("max") or is missing.
func number(file string) int64 {
	raw, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	n, _ := strconv.ParseInt(strings.TrimSpace(string(raw)), 10, 64)
	return n
}
