package sim

import (
	"runtime"
	"runtime/debug"
	"syscall"
	"unsafe"
)

const (
	largePages     = 1 << 30
	adviseHugepage = 14 // MADV_HUGEPAGE
)

// LargePages has the kernel back the first gibibyte of the heap with pages of 2 MiB,
// where it lets a program ask for that. A run with 10,000 functions goes through
// hundreds of megabytes in no order, and with pages of 4 KiB it waits for addresses,
// too: 10 to 16 % of its time. A run of one function gains nothing. It changes nothing
// else, and is for the beginning of a program.
//
// The runtime maps its heap in pieces of a few megabytes as it grows, so that there is
// nothing to advise before. So this takes a block of that size, which nobody writes to
// and which thus costs no memory, and gives it back: the heap then grows in it.
func LargePages() {
	// Without room for it the runtime would end the process. The kernel says so here.
	probe, err := syscall.Mmap(-1, 0, largePages, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil || syscall.Munmap(probe) != nil {
		return
	}
	percent := debug.SetGCPercent(-1) // or a collection may begin that counts the block as live
	block := make([]byte, largePages)
	_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, uintptr(unsafe.Pointer(unsafe.SliceData(block))), largePages, adviseHugepage)
	runtime.KeepAlive(block)
	block = nil
	runtime.GC()
	debug.SetGCPercent(percent)
}
