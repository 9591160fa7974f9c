package machine

import (
	"os"
	"strconv"
	"strings"

	"simplane/server/internal/cgroup"
)

// MemoryLimit is the memory this process may use in bytes: the least limit of
// its control groups where one is set, such as systemd's MemoryMax, else the
// machine's. 0 when neither can be read.
func MemoryLimit() int64 {
	limit := machineMemory()
	if n := cgroup.MemoryLimit(); n > 0 && (limit == 0 || n < limit) {
		limit = n
	}
	return limit
}

func machineMemory() int64 {
	raw, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(raw)) {
		fields := strings.Fields(line)
		if len(fields) >= 2 && fields[0] == "MemTotal:" {
			kib, _ := strconv.ParseInt(fields[1], 10, 64)
			return kib << 10
		}
	}
	return 0
}
