package child

import (
	"os/exec"
	"runtime"
	"syscall"
)

// Tie starts a command that the kernel kills when this process ends, in whatever way.
// reads, which may be nil, is called once it has started, and takes what its pipes give;
// then the command is waited for. ended is closed after that, with the result of the wait
// in cmd.ProcessState.
//
// The kernel's signal comes when the thread that started the command ends, not the process.
// A thread ends with a goroutine that is locked to it, and which goroutines have run on it
// before does not count: so each command has a thread to itself, for as long as it runs.
func Tie(cmd *exec.Cmd, reads func()) (ended <-chan struct{}, err error) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	started, done := make(chan error, 1), make(chan struct{})
	go func() {
		runtime.LockOSThread() // and never unlocked: nobody else is to start anything from it
		err := cmd.Start()
		started <- err
		if err == nil {
			if reads != nil {
				reads()
			}
			_ = cmd.Wait()
		}
		close(done)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return done, nil
}
