package child

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"
)

// clockTick is the unit of /proc/PID/stat; Linux fixes it at 100 per second
// for user space.
const clockTick = 10 * time.Millisecond

// CPU returns the CPU time the child has used so far, to 10 ms; 0 where it
// cannot be read.
func (p *Process) CPU() time.Duration {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.Pid()))
	if err != nil {
		return 0
	}
	return parseCPU(b)
}

func parseCPU(stat []byte) time.Duration {
	// The command name may hold spaces and parentheses; fields count from
	// behind its last one. utime and stime are fields 14 and 15 of the line.
	end := bytes.LastIndexByte(stat, ')')
	if end < 0 {
		return 0
	}
	fields := bytes.Fields(stat[end+1:])
	if len(fields) < 13 {
		return 0
	}
	var ticks int64
	for _, f := range fields[11:13] {
		n, err := strconv.ParseInt(string(f), 10, 64)
		if err != nil {
			return 0
		}
		ticks += n
	}
	return time.Duration(ticks) * clockTick
}
