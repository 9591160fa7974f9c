package jetstream

import (
	"context"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go"
	js "github.com/nats-io/nats.go/jetstream"

	"simplane/core"
	"simplane/core/cluster"
)

// Claim writes the ownership record of p in place of the one at seen; 0 = there is
// none. It returns where the new one is. The error is cluster.ErrOvertaken when the
// newest record is another one.
//
// A repetition is answered with the place of what the first attempt has stored. Long
// after that (dedupWindow) it is overtaken by its own record, which the watch shows.
func (e *Engine) Claim(ctx context.Context, p core.Partition, o cluster.Ownership, seen cluster.Fence) (cluster.Fence, error) {
	m := nats.NewMsg(e.subjects.own(p))
	m.Data = o.Encode()
	m.Header.Set(js.MsgRollup, js.MsgRollupSubject)
	m.Header.Set(js.ExpectedLastSubjSeqHeader, strconv.FormatUint(uint64(seen), 10))
	m.Header.Set(js.MsgIDHeader, fmt.Sprintf("own.%d.%d.%t.%s.%s", p, seen, o.Free, o.Life, o.Name))
	answer, err := e.write(ctx, m)
	switch {
	case isWrongLast(err):
		return 0, cluster.ErrOvertaken
	case err != nil:
		return 0, err
	}
	return cluster.Fence(answer.Seq), nil
}

// Free is Claim of an owner that gives the partition up.
func (e *Engine) Free(ctx context.Context, p core.Partition, o cluster.Ownership, at cluster.Fence) (cluster.Fence, error) {
	return e.Claim(ctx, p, o, at)
}
