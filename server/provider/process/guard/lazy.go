package guard

import (
	"os"
	"os/exec"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// The Go runtime has a monitor thread (sysmon) that wakes up to every 20 µs
// for some milliseconds after any activity. A guard has no use for it, and a
// function starts at that moment on the same processors. The kernel lets a
// thread's timers go off late by its timer slack, which a new process has
// from the thread that started it.
const lazySlack = 20_000_000 // ns

// slackEnv tells the guard the owner's own slack, in ns, which is for what it
// starts.
const slackEnv = "SIMPLANE_TIMER_SLACK"

// startLazy starts a command whose threads' timers may be late.
func startLazy(cmd *exec.Cmd) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if before, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0); err == nil {
		cmd.Env = append(cmd.Env, slackEnv+"="+strconv.Itoa(before))
		_ = unix.Prctl(unix.PR_SET_TIMERSLACK, lazySlack, 0, 0, 0)
		defer func() { _ = unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(before), 0, 0, 0) }()
	}
	return cmd.Start()
}

// usualSlack gives the calling thread, and what it starts, the owner's slack.
func usualSlack() {
	if slack, err := strconv.ParseUint(os.Getenv(slackEnv), 10, 63); err == nil {
		_ = unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(slack), 0, 0, 0)
	}
}
