package guard

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// noPrivileges takes from what this thread starts every way to more rights than
// its user has: capabilities, those of root included, and programs that are
// set-user-ID or have capabilities. The thread itself keeps its own, with which
// it starts, limits and kills processes. The error says what is left.
func noPrivileges() error {
	var errs []error
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		errs = append(errs, fmt.Errorf("set-user-ID programs work for functions: %w", err))
	}
	_ = unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) // Linux 4.3; none before
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var caps [2]unix.CapUserData
	if err := unix.Capget(&header, &caps[0]); err == nil {
		caps[0].Inheritable, caps[1].Inheritable = 0, 0
		_ = unix.Capset(&header, &caps[0])
	}
	// Root gets what is in the bounding set with each program it executes;
	// others get nothing from it.
	for c := uintptr(0); ; c++ {
		err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0)
		if err == unix.EINVAL { // there are no more
			break
		}
		if err != nil && os.Geteuid() == 0 {
			errs = append(errs, fmt.Errorf("functions keep root's capabilities: %w", err))
			break
		}
		if err != nil {
			break
		}
	}
	return errors.Join(errs...)
}

// withRealUser does what the kernel permits to the real user of a process. Root
// without CAP_SYS_RESOURCE, as in many containers, may limit its own processes
// only. The effective user, and so every other right, stays.
func withRealUser(u *User, do func() error) error {
	const same = ^uintptr(0)
	set := func(uid, gid uintptr) error { // of this thread; package syscall would change all
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESGID, gid, same, same); errno != 0 {
			return errno
		}
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, uid, same, same); errno != 0 {
			return errno
		}
		return nil
	}
	uid, gid := os.Getuid(), os.Getgid()
	err := set(uintptr(u.UID), uintptr(u.GID))
	if err == nil {
		err = do()
	}
	return errors.Join(err, set(uintptr(uid), uintptr(gid)))
}

// fewerProcesses bounds the processes of a user whose functions have no group
// with a bound of their own: half of what the machine can have. The kernel does
// not hold root to it.
func fewerProcesses() {
	most := Processes() / 2
	var now unix.Rlimit
	if most == 0 || unix.Getrlimit(unix.RLIMIT_NPROC, &now) != nil || now.Cur <= most {
		return
	}
	_ = unix.Setrlimit(unix.RLIMIT_NPROC, &unix.Rlimit{Cur: most, Max: min(most, now.Max)})
}

// Processes is how many processes and threads the machine can have at once; 0
// if that cannot be read.
func Processes() (least uint64) {
	for _, file := range []string{"/proc/sys/kernel/pid_max", "/proc/sys/kernel/threads-max"} {
		raw, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		if n, err := strconv.ParseUint(strings.TrimSpace(string(raw)), 10, 64); err == nil && (least == 0 || n < least) {
			least = n
		}
	}
	return least
}
