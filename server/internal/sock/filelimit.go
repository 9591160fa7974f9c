package sock

import "syscall"

// FileLimit is how many files this process may open; 0 when unknown. The Go
// runtime has raised the soft limit to the hard one already.
func FileLimit() int {
	var l syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) != nil || l.Cur > 1<<30 {
		return 0
	}
	return int(l.Cur)
}

// reservedFiles are for logs, listeners and function processes' pipes.
const reservedFiles = 128

// DivideFiles divides the file limit, so that a flood of connections is
// refused with 503 instead of taking the descriptors that calls to functions
// need: three quarters may be API connections, an eighth management ones, the
// rest is for calls.
func DivideFiles(wanted, files int) (api, mgmt int) {
	if files == 0 {
		return wanted, wanted
	}
	const least = 16
	room := files - reservedFiles
	return min(wanted, max(room*3/4, least)), min(wanted, max(room/8, least))
}
