package guard

import (
	"bytes"
	"os"
	"strconv"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"simplane/server/provider/process/proctree"
)

// reap collects the children that have exited. A leader is looked at before it
// is collected: while it is a zombie its pid, and so its group's id, cannot
// belong to anyone else, which makes killing the rest of the group safe.
func (s *server) reap() {
	changed := false
	for {
		pid := exitedChild()
		if pid <= 0 {
			break
		}
		changed = true
		id, leader := s.leaders[pid]
		if leader {
			_ = syscall.Kill(-pid, syscall.SIGKILL)
		}
		var status syscall.WaitStatus
		var used syscall.Rusage
		if _, err := syscall.Wait4(pid, &status, 0, &used); err != nil {
			break
		}
		if leader {
			delete(s.leaders, pid)
			delete(s.pids, id)
			cpu := used.Utime.Nano() + used.Stime.Nano()
			s.tell(event{Event: evExited, ID: id, Status: int(status), CPU: cpu})
		}
	}
	if changed {
		s.killStrays()
		s.lookAgainAfter(firstLook)
	}
}

// Looks for strays come back after an exit, in pauses that double: one that
// forks or executes something at the moment of a look is not always seen, or has
// no environment to be read.
const (
	firstLook = 10 * time.Millisecond
	lastLook  = 640 * time.Millisecond
)

func (s *server) lookAgainAfter(pause time.Duration) {
	s.pause, s.again = pause, time.Now().Add(pause)
}

// lookAgain is the look after the pause.
func (s *server) lookAgain() {
	s.again = time.Time{}
	if s.killStrays() && s.pause < lastLook {
		s.lookAgainAfter(2 * s.pause)
	}
}

// exitedChild returns the pid of a child that has exited, without collecting
// it; 0 if there is none.
func exitedChild() int {
	// The kernel's siginfo: three ints, then (aligned) the union that starts
	// with the pid.
	var info struct {
		signo, errno, code int32
		_                  [unsafe.Sizeof(uintptr(0)) - 4]byte
		pid                int32
		_                  [128]byte
	}
	for {
		_, _, e := syscall.Syscall6(syscall.SYS_WAITID, unix.P_ALL, 0, uintptr(unsafe.Pointer(&info)),
			unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, 0, 0)
		if e == syscall.EINTR {
			continue
		}
		if e != 0 {
			return 0
		}
		return int(info.pid)
	}
}

// killStrays ends what exited instances left behind outside their process
// group. Such a process is a child of ours that we did not start; its
// environment says which instance it came from. One whose environment was
// cleared stays until the guard goes. left says that there are any.
func (s *server) killStrays() (left bool) {
	for _, pid := range s.children() {
		if _, leader := s.leaders[pid]; leader {
			continue
		}
		left = true
		id := InstanceOf(pid)
		if _, alive := s.pids[id]; id != "" && !alive {
			// Its death brings its own children to us, and us back here.
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	return left
}

// InstanceOf is the id of the instance that one of the guard's descendants
// belongs to; empty if its environment does not say.
func InstanceOf(pid int) string {
	env, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	if err != nil {
		return ""
	}
	for kv := range bytes.SplitSeq(env, []byte{0}) {
		if id, ok := bytes.CutPrefix(kv, []byte(InstanceEnv+"=")); ok {
			return string(id)
		}
	}
	return ""
}

// children lists the pids whose parent is this process.
func (s *server) children() []int {
	if s.listed {
		return proctree.MainChildren(s.self) // everything runs on the main thread
	}
	return proctree.Scan(s.self)
}
