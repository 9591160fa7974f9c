// Package proctree reads from /proc which processes belong to one and what
// they use.
package proctree

import (
	"bytes"
	"errors"
	"os"
	"strconv"
	"time"
)

// Usage is what a process and all its descendants use.
type Usage struct {
	// CPU is the time spent so far, user and system, children included that
	// have ended and been waited for. It is counted in steps of 10 ms.
	CPU time.Duration
	// Memory is the resident memory in bytes. Pages that several processes
	// share count for each.
	Memory int64
}

// maxProcesses bounds how much of a tree is read: a function that forks without
// end must not keep its observer busy.
const maxProcesses = 4096

// Of reads the usage of pid and its descendants; false when there is no such
// process. Descendants whose parents have ended belong to no tree any more.
// Where the kernel does not list children, only pid itself is read.
func Of(pid int) (Usage, bool) {
	var u Usage
	ok := Walk(pid, u.add)
	return u, ok
}

// Walk calls visit for pid and its descendants, parents first. It looks for the
// children of those that visit is true for, and returns what it is for pid.
func Walk(pid int, visit func(pid int) bool) bool {
	if !visit(pid) {
		return false
	}
	for pids := Children(pid); len(pids) > 0 && len(pids) < maxProcesses; pids = pids[1:] {
		if visit(pids[0]) {
			pids = append(pids, Children(pids[0])...)
		}
	}
	return true
}

// add adds what one process uses.
func (u *Usage) add(pid int) bool {
	f := stat(pid)
	if len(f) <= rss {
		return false
	}
	for _, ticks := range [][]byte{f[utime], f[stime], f[cutime], f[cstime]} {
		u.CPU += time.Duration(number(ticks)) * tick
	}
	u.Memory += number(f[rss]) * int64(os.Getpagesize())
	return true
}

// tick is the unit of times in /proc: USER_HZ is 100 on every Linux that Go
// runs on.
const tick = 10 * time.Millisecond

// Fields of a process's stat file that come after its name, by index.
const (
	state  = 0
	ppid   = 1
	flags  = 6
	utime  = 11
	stime  = 12
	cutime = 13
	cstime = 14
	rss    = 21
)

// stat reads the fields of "pid (name) state ppid …" after the name, which may
// contain anything; nil when there is no such process.
func stat(pid int) [][]byte {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return nil
	}
	return bytes.Fields(data[bytes.LastIndexByte(data, ')')+1:])
}

// exiting is the kernel's PF_EXITING: the process has begun to end. It is set
// before the process's files are closed.
const exiting = 0x4

// Exiting reports whether a process is about to end, or has ended already.
func Exiting(pid int) bool {
	f := stat(pid)
	return len(f) <= flags || f[state][0] == 'Z' || f[state][0] == 'X' || number(f[flags])&exiting != 0
}

func number(b []byte) int64 {
	n, _ := strconv.ParseInt(string(b), 10, 64)
	return n
}

// Children lists the processes whose parent is pid, as far as the kernel lists
// children (CONFIG_PROC_CHILDREN); see Listed.
func Children(pid int) []int {
	dir := "/proc/" + strconv.Itoa(pid) + "/task"
	threads, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var pids []int
	for _, t := range threads {
		pids = append(pids, childrenOf(dir+"/"+t.Name())...)
	}
	return pids
}

// MainChildren is Children for one whose threads but the main one start nothing.
// That takes a small part of the time: what a process adopts as a subreaper goes
// to its first thread alive (find_new_reaper in the kernel's exit.c).
func MainChildren(pid int) []int {
	return childrenOf("/proc/" + strconv.Itoa(pid) + "/task/" + strconv.Itoa(pid))
}

// childrenOf reads the children of one thread; none if it has just ended.
func childrenOf(thread string) (pids []int) {
	data, _ := os.ReadFile(thread + "/children")
	for _, f := range bytes.Fields(data) {
		pids = append(pids, int(number(f)))
	}
	return pids
}

// Listed reports whether the kernel lists the children of a process.
func Listed() bool {
	_, err := os.Stat("/proc/thread-self/children")
	return !errors.Is(err, os.ErrNotExist)
}

// Scan is Children by a look at every process of the machine.
func Scan(pid int) []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var pids []int
	for _, e := range entries {
		child, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if f := stat(child); len(f) > ppid && number(f[ppid]) == int64(pid) {
			pids = append(pids, child)
		}
	}
	return pids
}
