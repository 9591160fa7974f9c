package proctree

import (
	"io"
	"os"
	"strconv"
)

// maxFiles bounds how many open files of a process are looked at: one with a
// million must not keep its observer busy. The lowest numbers come first, and
// a server listens before it has many connections.
const maxFiles = 4096

// HasSocket reports whether a process has the socket with that inode number
// open. The error is that of reading its open files, which another user's
// process does not permit.
func HasSocket(pid int, inode uint32) (bool, error) {
	dir, err := os.Open("/proc/" + strconv.Itoa(pid) + "/fd")
	if err != nil {
		return false, err
	}
	defer dir.Close()
	want := "socket:[" + strconv.FormatUint(uint64(inode), 10) + "]"
	for seen := 0; seen < maxFiles; {
		names, err := dir.Readdirnames(64)
		for _, name := range names {
			if link, err := os.Readlink(dir.Name() + "/" + name); err == nil && link == want {
				return true, nil
			}
		}
		seen += len(names)
		if err == io.EOF {
			break
		}
		if err != nil {
			return false, err
		}
	}
	return false, nil
}

// Parent is the process id of a process's parent; 0 if there is no such
// process.
func Parent(pid int) int {
	f := stat(pid)
	if len(f) <= ppid {
		return 0
	}
	return int(number(f[ppid]))
}
