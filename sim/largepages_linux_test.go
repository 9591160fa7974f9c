package sim

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"unsafe"
)

// TestLargePages: what is allocated after the call is in memory that is advised, and
// the call itself has brought in next to none. It runs in a process of its own, whose
// heap has not grown yet.
func TestLargePages(t *testing.T) {
	if os.Getenv("SIM_LARGE_PAGES") == "" {
		if _, err := os.Stat("/sys/kernel/mm/transparent_hugepage"); err != nil {
			t.Skip("this kernel has no large pages")
		}
		cmd := exec.Command(os.Args[0], "-test.run=^TestLargePages$", "-test.count=1")
		cmd.Env = append(os.Environ(), "SIM_LARGE_PAGES=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	LargePages()
	b := make([]byte, 64<<20)
	flags, resident := mappingOf(t, uintptr(unsafe.Pointer(unsafe.SliceData(b))))
	if !slices.Contains(flags, "hg") {
		t.Errorf("the heap's mapping has the flags %v, want hg among them", flags)
	}
	if resident > 128<<10 {
		t.Errorf("%d KiB of it are resident", resident)
	}
}

// mappingOf is what the kernel says of the mapping that has an address: its flags, and
// how many KiB are resident.
func mappingOf(t *testing.T, at uintptr) (flags []string, resident int) {
	all, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Skip(err)
	}
	here := false
	for s := bufio.NewScanner(bytes.NewReader(all)); s.Scan(); {
		var from, to uintptr
		words := strings.Fields(s.Text())
		if n, _ := fmt.Sscanf(words[0], "%x-%x", &from, &to); n == 2 {
			here = from <= at && at < to
		}
		if here && words[0] == "Rss:" {
			_, _ = fmt.Sscan(words[1], &resident)
		}
		if here && words[0] == "VmFlags:" {
			return words[1:], resident
		}
	}
	t.Fatalf("no mapping has %#x", at)
	return nil, 0
}
