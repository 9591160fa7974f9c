package jetstream

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	js "github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"simplane/core"
	"simplane/core/cluster"
)

// Headers of a batch that is stored whole or not at all.
const (
	headerBatch       = "Nats-Batch-Id"
	headerBatchSeq    = "Nats-Batch-Sequence"
	headerBatchCommit = "Nats-Batch-Commit"
)

// What a busy server needs for a batch beside firstWait. To send a large one again too
// early makes it busier.
const (
	waitFrame = time.Millisecond
	waitMiB   = 100 * time.Millisecond
)

// MaxFrames is the most frames of a call of Commit, a bound of the servers.
const MaxFrames = 1000

// Commit stores all frames or none, in their order, while each one's partition is
// owned by the record at its Fence. last is the place of the last frame; those of one
// call follow one another. 0 = it is not known: an earlier attempt has stored them,
// so long ago that the engine cannot tell where. id is one that no other call of any
// member has.
//
// The error is a *cluster.FencedError if a fence does not hold, with all partitions
// of which that is known, and a *cluster.RefusedError where frames are larger than the
// servers take. ErrFull says that nothing was stored. After any other error
// the outcome is unknown, and the call may be repeated, unless it is ErrTooOld.
func (e *Engine) Commit(ctx context.Context, id string, frames []cluster.StoredFrame) (last uint64, err error) {
	if len(frames) == 0 || len(frames) > MaxFrames {
		return 0, fmt.Errorf("cluster: a batch of %d frames: 1 to %d are possible", len(frames), MaxFrames)
	}
	bytes := 0
	var large []core.Partition
	for _, f := range frames {
		bytes += len(f.Data)
		if len(f.Data) > e.largest() {
			large = append(large, f.Partition)
		}
	}
	if len(large) > 0 {
		return 0, &cluster.RefusedError{Partitions: large, Why: fmt.Errorf("at most %d bytes are possible (max_payload of the NATS servers)", e.largest())}
	}
	wait := firstWait + time.Duration(len(frames))*waitFrame + time.Duration(bytes>>20)*waitMiB
	for {
		answer, err := e.writeMany(ctx, wait, func() (*nats.Msg, error) {
			if err := e.pending.try(id); err != nil {
				return nil, err
			}
			return e.sendBatch(id, frames)
		})
		switch {
		case err == nil:
			e.pending.known(id)
			if answer.Count != len(frames) {
				return 0, fmt.Errorf("cluster: the engine stored %d of the %d frames of batch %s", answer.Count, len(frames), id)
			}
			return answer.Seq, nil
		case isDuplicate(err):
			e.pending.known(id)
			return e.placeOf(ctx, id, frames), nil
		case errors.Is(err, ErrFull):
			e.pending.known(id)
			return 0, err
		case !isWrongLast(err):
			return 0, err
		}
		fenced, err := e.fenced(ctx, frames)
		if err != nil {
			return 0, err
		}
		if len(fenced) > 0 {
			e.pending.known(id)
			return 0, &cluster.FencedError{Partitions: fenced}
		}
		// Whoever answered did not know yet what the one who refused knows.
	}
}

// sendBatch publishes all frames but the last, without waiting for anything, and
// returns the last, whose answer is that of the batch. Each attempt is a batch of its
// own: of an earlier one the server may have a part. The first message carries the
// id by which the whole is known.
func (e *Engine) sendBatch(id string, frames []cluster.StoredFrame) (*nats.Msg, error) {
	batch := nuid.Next()
	for i := range frames {
		f := &frames[i]
		m := nats.NewMsg(e.subjects.frames(f.Partition))
		m.Data = f.Data
		m.Header[headerBatch] = []string{batch}
		m.Header[headerBatchSeq] = []string{strconv.Itoa(i + 1)}
		m.Header[js.ExpectedLastSubjSeqHeader] = []string{strconv.FormatUint(uint64(f.Fence), 10)}
		m.Header[js.ExpectedLastSubjSeqSubjHeader] = []string{e.subjects.own(f.Partition)}
		if i == 0 {
			m.Header[js.MsgIDHeader] = []string{batchID(id)}
		}
		if i == len(frames)-1 {
			m.Header[headerBatchCommit] = []string{"1"}
			return m, nil
		}
		if err := e.nc.PublishMsg(m); err != nil {
			return nil, err
		}
	}
	panic("unreachable: a batch has frames")
}

func batchID(id string) string { return "batch." + id }

// placeOf asks where a batch is that is stored: a message with the id of its first one
// is answered with that one's place. The message cannot be stored, since it expects
// what can never be.
func (e *Engine) placeOf(ctx context.Context, id string, frames []cluster.StoredFrame) (last uint64) {
	m := nats.NewMsg(e.subjects.frames(frames[0].Partition))
	m.Header.Set(js.MsgIDHeader, batchID(id))
	m.Header.Set(js.ExpectedLastSubjSeqHeader, strconv.Itoa(math.MaxInt64))
	answer, err := e.write(ctx, m)
	if err != nil || !answer.Duplicate {
		return 0
	}
	return answer.Seq + uint64(len(frames)) - 1
}

// fenced asks for the newest ownership record of each partition in a batch, and
// returns those with another one than expected.
func (e *Engine) fenced(ctx context.Context, frames []cluster.StoredFrame) (fenced []core.Partition, err error) {
	expected := map[core.Partition]cluster.Fence{}
	for _, f := range frames {
		if have, ok := expected[f.Partition]; ok && have != f.Fence {
			fenced = append(fenced, f.Partition)
		}
		expected[f.Partition] = f.Fence
	}
	var mu sync.Mutex
	var all sync.WaitGroup
	slots := make(chan struct{}, 16)
	for p, fence := range expected {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			newest, failed := e.newest(ctx, e.frames, e.subjects.own(p))
			mu.Lock()
			defer mu.Unlock()
			if failed != nil {
				err = failed
			} else if newest == nil || newest.Sequence != uint64(fence) {
				fenced = append(fenced, p)
			}
		})
	}
	all.Wait()
	slices.Sort(fenced)
	return slices.Compact(fenced), err
}

func isDuplicate(err error) bool {
	var api *js.APIError
	return errors.As(err, &api) && api.ErrorCode == codeBatchDuplicate
}
