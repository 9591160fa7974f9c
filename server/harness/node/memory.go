package node

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
)

// Memory is what a process has in RAM, in bytes.
type Memory struct {
	Resident int64 // now
	Peak     int64 // the most since its start or since ForgetPeak
}

// MemoryOf reads /proc/PID/status.
func MemoryOf(pid int) (Memory, error) {
	raw, err := os.ReadFile(procFile(pid, "status"))
	if err != nil {
		return Memory{}, err
	}
	resident, err := kibibytes(raw, "VmRSS:")
	if err != nil {
		return Memory{}, err
	}
	peak, err := kibibytes(raw, "VmHWM:")
	return Memory{Resident: resident, Peak: peak}, err
}

// ForgetPeak lets Memory.Peak count anew from what is resident now.
func ForgetPeak(pid int) error {
	return os.WriteFile(procFile(pid, "clear_refs"), []byte("5"), 0)
}

func procFile(pid int, name string) string { return "/proc/" + strconv.Itoa(pid) + "/" + name }

// kibibytes finds the line `name  N kB` and returns N in bytes.
func kibibytes(status []byte, name string) (int64, error) {
	_, rest, found := bytes.Cut(status, []byte(name))
	if !found {
		return 0, fmt.Errorf("no %s in the status of the process", name)
	}
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	n, err := strconv.ParseInt(string(bytes.TrimSuffix(bytes.TrimSpace(line), []byte(" kB"))), 10, 64)
	return n << 10, err
}
