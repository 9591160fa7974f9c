//go:build !interleave

package core

import (
	"sync"
	"sync/atomic"
)

// What core locks with and counts with is that of sync and sync/atomic. With the build
// tag interleave it is that of core/concurrent, where a scheduler decides who goes on.
// The names are core's own and no package's, because the compiler makes calls of what
// it would make instructions of where sync/atomic is not imported itself.
type (
	mutex = sync.Mutex

	atomicBool           = atomic.Bool
	atomicInt32          = atomic.Int32
	atomicInt64          = atomic.Int64
	atomicUint32         = atomic.Uint32
	atomicUint64         = atomic.Uint64
	atomicPointer[T any] = atomic.Pointer[T]
)
