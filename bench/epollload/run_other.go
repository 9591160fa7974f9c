//go:build !linux

package epollload

import (
	"context"
	"time"

	"simplane/bench/loadgen"
)

// Run returns ErrUnsupported.
func Run(context.Context, loadgen.Options, func() time.Duration) (*Result, error) {
	return nil, ErrUnsupported
}
