package core

// Status is the state of an execution.
type Status uint8

// Execution states. The last three are terminal.
const (
	Queued Status = iota
	Running
	Success
	Error
	Timeout
)

// Terminal reports whether the state is final.
func (s Status) Terminal() bool { return s >= Success }

// String is the lower-case name used by the HTTP API.
func (s Status) String() string {
	switch s {
	case Queued:
		return "queued"
	case Running:
		return "running"
	case Success:
		return "success"
	case Error:
		return "error"
	case Timeout:
		return "timeout"
	}
	return "unknown"
}

// ParseStatus is the inverse of String; it accepts upper or lower case.
func ParseStatus(s string) (Status, bool) {
	switch s {
	case "queued", "QUEUED":
		return Queued, true
	case "running", "RUNNING":
		return Running, true
	case "success", "SUCCESS":
		return Success, true
	case "error", "ERROR":
		return Error, true
	case "timeout", "TIMEOUT":
		return Timeout, true
	}
	return 0, false
}

// mayBecome is the execution state machine: anything from a non-terminal
// state, and from a terminal one only ERROR to QUEUED (retry).
func (s Status) mayBecome(next Status) bool {
	return !s.Terminal() || (s == Error && next == Queued)
}
