package growth

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
)

// memory of a process, in bytes.
type memory struct {
	now  float64 // resident
	peak float64 // the most since the last forgetPeak
}

// memory reads the server's; zero where the system does not tell.
func (n *node) memory() (m memory) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", n.proc.Pid()))
	if err != nil {
		return m
	}
	for line := range bytes.Lines(b) {
		name, rest, _ := bytes.Cut(line, []byte(":"))
		kib, _ := strconv.ParseFloat(string(bytes.TrimSuffix(bytes.TrimSpace(rest), []byte(" kB"))), 64)
		switch string(name) {
		case "VmRSS":
			m.now = kib * 1024
		case "VmHWM":
			m.peak = kib * 1024
		}
	}
	return m
}

// forgetPeak makes the peak begin anew at what is resident now.
func (n *node) forgetPeak() {
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", n.proc.Pid()), []byte("5"), 0) // #nosec G306 -- no file is made
}
