package child

import (
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"testing"
)

// A goroutine that is locked to its thread and ends takes the thread with it. Commands
// that are tied to this process stay, for none was started from such a thread.
func TestTiedCommandsOutliveThreads(t *testing.T) {
	var cmds [16]*exec.Cmd
	var ended [16]<-chan struct{}
	var all sync.WaitGroup
	threadsHaveEnded := make(chan struct{})
	for i := range cmds {
		cmds[i] = exec.Command("sleep", "600")
		all.Go(func() {
			var err error
			// A wait in the kernel would hold the thread.
			if ended[i], err = Tie(cmds[i], func() { <-threadsHaveEnded }); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if t.Failed() {
		return
	}
	// More at once than there are threads, so that each thread has one.
	for range 100 {
		all.Go(func() {
			runtime.LockOSThread()
			pause := syscall.NsecToTimespec(50e6)
			_ = syscall.Nanosleep(&pause, nil)
		})
	}
	all.Wait()
	close(threadsHaveEnded)
	for i, cmd := range cmds {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Errorf("it has ended before: %v", err)
		}
		<-ended[i]
		if s, _ := cmd.ProcessState.Sys().(syscall.WaitStatus); s.Signal() != syscall.SIGTERM {
			t.Errorf("it ended by %v, not by the signal of this test", cmd.ProcessState)
		}
	}
}

func TestTieReportsWhatCannotStart(t *testing.T) {
	if _, err := Tie(exec.Command("/no/such/program"), nil); err == nil {
		t.Error("no error")
	}
}
