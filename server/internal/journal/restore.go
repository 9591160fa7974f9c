package journal

import (
	"context"
	"fmt"
	"sync/atomic"

	"simplane/core"
)

// Progress is how many facts a Restore has read so far.
type Progress struct{ facts, bytes atomic.Int64 }

// Facts and Bytes are what has been read.
func (p *Progress) Facts() int64 { return p.facts.Load() }
func (p *Progress) Bytes() int64 { return p.bytes.Load() }

// Read decodes every fact of the log for apply, which must keep neither the fact
// nor its bytes. The error names the place of the fact that cannot be read or
// applied.
func Read(ctx context.Context, log Log, progress *Progress, apply func(core.LSN, *core.Fact) error) error {
	var fact core.Fact
	return log.Read(ctx, func(f Frame) error {
		err := fact.Decode(f.Value)
		if err == nil {
			err = apply(core.LSN(f.LSN), &fact)
		}
		if err != nil {
			return fmt.Errorf("fact %d of partition %d: %w", f.LSN, f.Partition, err)
		}
		progress.facts.Add(1)
		progress.bytes.Add(int64(len(f.Value)))
		return nil
	})
}
