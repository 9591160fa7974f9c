// Package machine describes where a measurement was made and how busy the
// machine and this process were meanwhile.
package machine

import (
	"bufio"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// Info identifies hardware and toolchain. Fields that cannot be read are
// "unknown" rather than an error: a report without a CPU name is still one.
type Info struct {
	CPU        string `json:"cpu"`
	Cores      int    `json:"cores"`
	GOMAXPROCS int    `json:"gomaxprocs"`
	Kernel     string `json:"kernel"`
	OS         string `json:"os"`
	Arch       string `json:"arch"`
	Go         string `json:"go"`
	// LoadAverage is the one-minute figure before the run: another busy
	// process shows here.
	LoadAverage string `json:"loadAverage"`
}

// Read collects Info for this machine.
func Read() Info {
	return Info{
		CPU: cpuModel("/proc/cpuinfo"), Cores: runtime.NumCPU(), GOMAXPROCS: runtime.GOMAXPROCS(0),
		Kernel: kernel(), OS: runtime.GOOS, Arch: runtime.GOARCH, Go: runtime.Version(),
		LoadAverage: loadAverage(),
	}
}

func cpuModel(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return "unknown"
	}
	defer f.Close()
	for sc := bufio.NewScanner(f); sc.Scan(); {
		key, value, ok := strings.Cut(sc.Text(), ":")
		switch strings.TrimSpace(key) {
		case "model name", "Processor", "cpu model":
			if ok {
				return strings.TrimSpace(value)
			}
		}
	}
	return "unknown"
}

func kernel() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "unknown"
	}
	return unix.ByteSliceToString(u.Sysname[:]) + " " + unix.ByteSliceToString(u.Release[:])
}

func loadAverage() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	one, _, _ := strings.Cut(string(b), " ")
	return one
}
