// Package guard starts processes so that none outlives its owner.
//
// The owner re-executes its own binary as a guard process, which starts the
// commands on its behalf. The guard is the parent of everything it starts and
// the adopter (child subreaper) of everything those leave behind, and it holds
// one end of a socket to the owner. When that socket closes, for whatever
// reason, SIGKILL of the owner included, the guard kills all its descendants
// and exits. Should the guard itself be killed, the kernel kills the commands
// (parent death signal), and the owner the rest of their process groups.
//
// Linking this package is enough: a binary asked to be a guard becomes one
// before its main runs. That is an init function and not a call for main to
// make, because a test binary that forgot the call would run its tests again
// instead, and those would start guards.
package guard

import (
	"os"
	"runtime"
	"syscall"
)

const (
	// argument and environ mark a guard's command line; both must be there,
	// so that a user who types the argument gets a usage error instead.
	argument = "__guard"
	environ  = "SIMPLANE_GUARD=1"

	// The guard's ends, as it inherits them.
	requestsFD = 3
	eventsFD   = 4

	// InstanceEnv is set to the instance id in the environment of what the
	// guard starts. It tells whose descendant a stray process is.
	InstanceEnv = "SIMPLANE_INSTANCE"
)

func init() {
	if len(os.Args) == 2 && os.Args[1] == argument && os.Getenv("SIMPLANE_GUARD") == "1" {
		// The parent death signal of a child is tied to the thread that
		// started it. The main thread lives as long as the process.
		runtime.LockOSThread()
		// Not os.Exit: under the race detector that lingers for a second.
		syscall.Exit(run())
	}
}
