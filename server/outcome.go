package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"time"

	"github.com/valyala/fasthttp"

	"simplane/core"
	"simplane/server/internal/api"
	"simplane/server/internal/httpjson"
	"simplane/server/internal/peer"
)

// An attempt whose partition changes hands while it runs ends where it runs. The node
// that it runs on tells the owner of the outcome, which counts there as it would have
// here. It tells until the owner says that this is stored, or that the execution is
// gone: an owner takes the outcome of one attempt once. After the attempt's own time,
// and tellGrace, no owner waits for it any more, and begins the next attempt.

// outcomePath is where a node tells of an outcome. It is on the port for other members
// only. The body is an outcomeHead, a line feed, and the output as it is.
const outcomePath = "/v1/peer/outcome"

// outcomeRoom is what a body may have beside the output.
const outcomeRoom = 64 << 10

type outcomeHead struct {
	ID         string `json:"id"`
	Attempt    int    `json:"attempt"`
	Status     string `json:"status"`
	Code       string `json:"code,omitempty"`
	Message    string `json:"message,omitempty"`
	Permanent  bool   `json:"permanent,omitempty"`
	RetryAfter int64  `json:"retryAfterNs,omitempty"`
	Cold       bool   `json:"coldStart,omitempty"`
	Init       int64  `json:"initNs,omitempty"`
}

// encodeOutcome is the body that tells of an attempt's outcome. Of a code
// and a message, most of what core would not keep is left out.
func encodeOutcome(t core.Task, o core.Outcome) []byte {
	head, err := json.Marshal(outcomeHead{
		ID: t.ID.String(), Attempt: t.Attempt, Status: o.Status.String(),
		Code: o.Code[:min(len(o.Code), 2*core.MaxErrorCode)], Message: o.Message[:min(len(o.Message), 2*core.MaxErrorMessage)],
		Permanent: o.Permanent, RetryAfter: int64(o.RetryAfter), Cold: o.ColdStart, Init: int64(o.Init),
	})
	if err != nil {
		panic(err) // strings and numbers
	}
	return append(append(head, '\n'), o.Output...)
}

var errNoOutcome = errors.New("a JSON object with id, attempt and status, a line feed and the output are expected")

func decodeOutcome(body []byte) (id core.ID, attempt int, o core.Outcome, err error) {
	text, output, found := bytes.Cut(body, []byte("\n"))
	var head outcomeHead
	if err := json.Unmarshal(text, &head); err != nil {
		return id, 0, o, err
	}
	status, known := core.ParseStatus(head.Status)
	if id, err = core.ParseID(head.ID); err != nil {
		return id, 0, o, err
	}
	if !found || !known || !status.Terminal() || head.Attempt <= 0 {
		return id, 0, o, errNoOutcome
	}
	o = core.Outcome{
		Status: status, Code: head.Code, Message: head.Message, Permanent: head.Permanent,
		RetryAfter: time.Duration(head.RetryAfter), ColdStart: head.Cold, Init: time.Duration(head.Init),
	}
	if status == core.Success {
		o.Output = bytes.Clone(output)
	}
	return id, head.Attempt, o, nil
}

// answerOutcome is told of an outcome by another member.
func (c *membership) answerOutcome(ctx *fasthttp.RequestCtx) {
	if !c.fromMember(ctx) {
		return
	}
	id, attempt, o, err := decodeOutcome(ctx.PostBody())
	if err != nil {
		httpjson.Undecodable(err).Write(ctx)
		return
	}
	p := c.at(core.Partition(id[15]))
	if p == nil {
		httpjson.WriteError(ctx, fasthttp.StatusMisdirectedRequest, peer.CodeNotOwner, "this node does not own the partition")
		return
	}
	if err := p.attemptEnded(id, attempt, o); err != nil {
		httpjson.WriteError(ctx, fasthttp.StatusServiceUnavailable, api.CodeNoOwner, err.Error())
		return
	}
	ctx.SetStatusCode(fasthttp.StatusNoContent)
}

// attemptEnded takes the outcome of an attempt that an earlier owner has dispatched.
// Without an error that need not be told again.
func (p *partition) attemptEnded(id core.ID, attempt int, o core.Outcome) error {
	at, err := p.core.AttemptEnded(id, attempt, o)
	switch {
	case errors.Is(err, core.ErrExecutionGone):
		return nil
	case err != nil || at == 0:
		return err
	}
	return p.answers.Stored(at)
}

// How long the owner of a partition is looked for, beside the attempt's time, and how
// long it is waited for at once.
const (
	tellGrace = time.Minute
	tellTime  = moveTime + time.Second
	tellPace  = 100 * time.Millisecond
)

// waitForTold is how long an owner waits, after an attempt's time, to be told of its
// outcome by the one before: of a timeout, too, that one tells.
const waitForTold = 5 * time.Second

// tell tells the owner of a partition, which was this node's, of an attempt's outcome.
func (c *membership) tell(t core.Task, o core.Outcome) {
	id, body := core.Partition(t.ID[15]), encodeOutcome(t, o)
	for until := time.Now().Add(t.Timeout + tellGrace); time.Now().Before(until); {
		changed := c.Changed()
		if p := c.at(id); p != nil {
			if p.attemptEnded(t.ID, t.Attempt, o) == nil {
				return
			}
		} else if addr := c.Owner(id); addr != "" {
			var resp fasthttp.Response
			if err := c.client.Do(addr, c.toMember(outcomePath), body, &resp, tellTime); err == nil && resp.StatusCode() == fasthttp.StatusNoContent {
				return
			}
		}
		pause := time.NewTimer(tellPace)
		select {
		case <-changed:
		case <-pause.C:
		}
		pause.Stop()
	}
	c.s.log.Warn("nobody could be told of an attempt's outcome; it ends when its time is over", "execution", t.ID.String(), "attempt", t.Attempt)
}
