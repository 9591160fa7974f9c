//go:build interleave

package core

import "simplane/core/concurrent"

// Each operation on these is a point of a scheduler.
type (
	mutex = concurrent.Mutex

	atomicBool           = concurrent.Bool
	atomicInt32          = concurrent.Int32
	atomicInt64          = concurrent.Int64
	atomicUint32         = concurrent.Uint32
	atomicUint64         = concurrent.Uint64
	atomicPointer[T any] = concurrent.Pointer[T]
)
