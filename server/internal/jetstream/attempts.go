package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	js "github.com/nats-io/nats.go/jetstream"

	"simplane/server/internal/replica"
)

// Codes with which servers refuse a write, beside those that nats.go names.
const (
	codeOtherUnderWay   js.ErrorCode = js.JSErrCodeStreamWrongLastSequenceConstant
	codeWrongLast       js.ErrorCode = js.JSErrCodeStreamWrongLastSequence
	codeSameUnderWay    js.ErrorCode = 10158 // a message with this id is not yet stored
	codeBatchIncomplete js.ErrorCode = 10176 // messages of it were lost, or it took too long
	codeBatchDuplicate  js.ErrorCode = 10201 // a message of it has an id that is stored
	codeTooManyBatches  js.ErrorCode = 10210
	codeNoPeers         js.ErrorCode = 10005 // too few servers for the copies of a stream
	codeNotStored       js.ErrorCode = 10077 // a bound of the stream
	codeAccountFull     js.ErrorCode = 10002 // a bound of the account
)

const (
	// firstWait is how long an answer is waited for before the request is sent again.
	// After as many requests as an election may take the wait doubles: a busy server
	// is not helped by more of the same.
	firstWait   = 750 * time.Millisecond
	firstWaits  = 4
	maxPatience = 8 * time.Second
	maxPause    = 500 * time.Millisecond
)

// ErrFull says that a write was refused because the stream is at its bound.
var ErrFull = replica.ErrFull

// ErrTooOld says that the outcome of a write stays unknown: its first attempt was so
// long ago that servers may have forgotten its id, and a repetition might store it
// twice.
var ErrTooOld = fmt.Errorf("a write first tried more than %v ago is not repeated: it might be stored twice: %w", dedupWindow/2, replica.ErrUnknown)

// passing reports errors after which the same call may succeed.
func passing(err error) bool {
	var api *js.APIError
	if errors.As(err, &api) {
		switch api.ErrorCode {
		case codeOtherUnderWay, codeSameUnderWay, codeBatchIncomplete, codeTooManyBatches:
			return true
		case codeNoPeers: // servers that have yet to come, unless they are full
			return !strings.Contains(api.Description, "insufficient storage") || strings.Contains(api.Description, "offline")
		}
		return api.Code == 503 && api.ErrorCode != codeNotStored
	}
	return errors.Is(err, errElected) || errors.Is(err, nats.ErrNoResponders) || errors.Is(err, nats.ErrTimeout) ||
		errors.Is(err, js.ErrNoStreamResponse) || errors.Is(err, nats.ErrConnectionReconnecting) ||
		errors.Is(err, nats.ErrDisconnected) || errors.Is(err, context.DeadlineExceeded)
}

// patiently calls f until it succeeds, or fails with an error that again says is
// final, or ctx ends. The error is f's last. Each call has a part of the time: a
// server that has just lost its stream's lead does not answer at all.
func patiently(ctx context.Context, f func(context.Context) error, again func(error) bool) error {
	return patientlyFrom(ctx, firstWait, f, again)
}

func patientlyFrom(ctx context.Context, patience time.Duration, f func(context.Context) error, again func(error) bool) error {
	silent := 0
	for pause := time.Millisecond; ; pause = min(2*pause, maxPause) {
		one, cancel := context.WithTimeout(ctx, patience)
		err := f(one)
		cancel()
		if err == nil || !again(err) {
			return err
		}
		if errors.Is(err, context.DeadlineExceeded) {
			if silent++; silent >= firstWaits {
				patience = max(patience, min(2*patience, maxPatience))
			}
		}
		wait := time.NewTimer(pause/2 + rand.N(pause))
		select {
		case <-ctx.Done():
			wait.Stop()
			return fmt.Errorf("%w (%w)", err, ctx.Err())
		case <-wait.C:
		}
	}
}

// stored is what a server answers to a write.
type stored struct {
	Error     *js.APIError `json:"error"`
	Seq       uint64       `json:"seq"`
	Duplicate bool         `json:"duplicate"`
	Count     int          `json:"count"`
}

// write sends a message, and again while it is not answered or the refusal is a
// passing one.
func (e *Engine) write(ctx context.Context, m *nats.Msg) (stored, error) {
	return e.writeMany(ctx, firstWait, func() (*nats.Msg, error) { return m, nil })
}

// writeMany is write of what send sends and then returns, the last message of it. wait
// is how long the first attempt may take.
func (e *Engine) writeMany(ctx context.Context, wait time.Duration, send func() (last *nats.Msg, err error)) (answer stored, err error) {
	err = patientlyFrom(ctx, wait, func(ctx context.Context) error {
		last, err := send()
		if err != nil {
			return err
		}
		ctx, over := e.elected.during(ctx)
		defer over()
		reply, err := e.nc.RequestMsgWithContext(ctx, last)
		if err != nil && errors.Is(context.Cause(ctx), errElected) {
			return errElected
		} else if err != nil {
			return err
		}
		answer = stored{}
		if err := json.Unmarshal(reply.Data, &answer); err != nil {
			return fmt.Errorf("the engine's answer %.100q: %w", reply.Data, err)
		}
		switch {
		case answer.Error != nil && (answer.Error.ErrorCode == codeNotStored || answer.Error.ErrorCode == codeAccountFull):
			return fmt.Errorf("%w: %w", ErrFull, answer.Error)
		case answer.Error != nil:
			return answer.Error
		}
		return nil
	}, passing)
	return answer, err
}

// pending remembers when writes of unknown outcome were first tried.
type pending struct {
	mu    sync.Mutex
	since map[string]time.Time
}

// maxPending bounds how many are remembered; the oldest is forgotten first. A caller
// has one or two at once, and leaves some behind when it gives partitions up.
const maxPending = 1 << 10

// try is asked before each attempt. The error is ErrTooOld.
func (p *pending) try(id string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	first, known := p.since[id]
	// Elapsed time stands still while the machine sleeps, the wall clock does not.
	if known && max(now.Sub(first), now.Round(0).Sub(first.Round(0))) > dedupWindow/2 {
		return ErrTooOld
	}
	if known {
		return nil
	}
	if len(p.since) == maxPending {
		oldest := id
		for other, since := range p.since {
			if oldest == id || since.Before(p.since[oldest]) {
				oldest = other
			}
		}
		delete(p.since, oldest)
	}
	if p.since == nil {
		p.since = map[string]time.Time{}
	}
	p.since[id] = now
	return nil
}

// known forgets a write whose outcome is known.
func (p *pending) known(id string) {
	p.mu.Lock()
	delete(p.since, id)
	p.mu.Unlock()
}
