package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sosodev/duration"
	"github.com/valyala/fasthttp"

	"simplane/core"
)

const codeRevisionMissing = "REVISION_REQUIRED"

// runtimeConfig is what can be changed while the server runs. Every change
// makes a new revision; a change is applied whole or not at all.
type runtimeConfig struct {
	mu       sync.Mutex
	revision int64
	history  []runtimeChange // oldest first, at most runtimeHistorySize
}

// runtimeValues is the JSON form. Durations are ISO 8601 ("PT0.5S").
type runtimeValues struct {
	Revision                   int64  `json:"revision"`
	RateMaxPerSecond           int64  `json:"rateMaxPerSecond"`
	SyncQueueEnabled           bool   `json:"syncQueueEnabled"`
	SyncQueueAdmissionEnabled  bool   `json:"syncQueueAdmissionEnabled"`
	SyncQueueMaxEstimatedWait  string `json:"syncQueueMaxEstimatedWait"`
	SyncQueueMaxQueueWait      string `json:"syncQueueMaxQueueWait"`
	SyncQueueRetryAfterSeconds int64  `json:"syncQueueRetryAfterSeconds"`
	SyncQueueMaxConcurrency    int    `json:"syncQueueMaxConcurrency"`
	SyncQueueMaxDepth          int    `json:"syncQueueMaxDepth"`
}

// runtimePatch is a change: nil leaves a value as it is.
type runtimePatch struct {
	ExpectedRevision           *int64  `json:"expectedRevision"`
	Revision                   *int64  `json:"revision"` // taken for expectedRevision
	RateMaxPerSecond           *int64  `json:"rateMaxPerSecond"`
	SyncQueueEnabled           *bool   `json:"syncQueueEnabled"`
	SyncQueueAdmissionEnabled  *bool   `json:"syncQueueAdmissionEnabled"`
	SyncQueueMaxEstimatedWait  *string `json:"syncQueueMaxEstimatedWait"`
	SyncQueueMaxQueueWait      *string `json:"syncQueueMaxQueueWait"`
	SyncQueueRetryAfterSeconds *int64  `json:"syncQueueRetryAfterSeconds"`
	SyncQueueMaxConcurrency    *int    `json:"syncQueueMaxConcurrency"`
	SyncQueueMaxDepth          *int    `json:"syncQueueMaxDepth"`
}

func (s *Server) runtimeValues() runtimeValues {
	q := s.core.SyncQueue()
	return runtimeValues{
		Revision:                   s.runtime.revision,
		RateMaxPerSecond:           max(s.core.RateMaxPerSecond(), 0),
		SyncQueueEnabled:           q.Enabled,
		SyncQueueAdmissionEnabled:  !q.EstimateDisabled,
		SyncQueueMaxEstimatedWait:  duration.Format(q.MaxEstimatedWait),
		SyncQueueMaxQueueWait:      duration.Format(q.MaxQueueWait),
		SyncQueueRetryAfterSeconds: int64(q.RetryAfter / time.Second),
		SyncQueueMaxConcurrency:    q.MaxConcurrency,
		SyncQueueMaxDepth:          q.MaxDepth,
	}
}

// decodeRuntimePatch reads a patch: wrong JSON, types and duration syntax are
// malformed (400).
func decodeRuntimePatch(body []byte) (p runtimePatch, estimated, queued *time.Duration, fault *apiError) {
	if fault = wholeObject(body); fault != nil {
		return p, nil, nil, fault
	}
	if err := json.Unmarshal(body, &p); err != nil {
		return p, nil, nil, undecodable(err)
	}
	estimated, first := isoDuration("syncQueueMaxEstimatedWait", p.SyncQueueMaxEstimatedWait)
	queued, second := isoDuration("syncQueueMaxQueueWait", p.SyncQueueMaxQueueWait)
	if details := append(first, second...); len(details) > 0 {
		return p, nil, nil, validationFailed(details...)
	}
	return p, estimated, queued, nil
}

func isoDuration(field string, text *string) (*time.Duration, []string) {
	if text == nil {
		return nil, nil
	}
	d, err := duration.Parse(*text)
	if err != nil {
		return nil, []string{fmt.Sprintf("%s: must be an ISO 8601 duration such as PT0.5S, not %q", field, clip([]byte(*text), 40))}
	}
	t := d.ToTimeDuration()
	return &t, nil
}

// merged returns the values a patch leads to, and what is semantically wrong
// with them (422).
func (s *Server) merged(p runtimePatch, estimated, queued *time.Duration) (rate int64, q core.SyncQueueConfig, fault *apiError) {
	rate, q = max(s.core.RateMaxPerSecond(), 0), s.core.SyncQueue()
	set(&rate, p.RateMaxPerSecond)
	set(&q.Enabled, p.SyncQueueEnabled)
	if p.SyncQueueAdmissionEnabled != nil {
		q.EstimateDisabled = !*p.SyncQueueAdmissionEnabled
	}
	set(&q.MaxEstimatedWait, estimated)
	set(&q.MaxQueueWait, queued)
	if p.SyncQueueRetryAfterSeconds != nil {
		q.RetryAfter = time.Duration(min(max(*p.SyncQueueRetryAfterSeconds, -1), 1<<31)) * time.Second
	}
	set(&q.MaxConcurrency, p.SyncQueueMaxConcurrency)
	set(&q.MaxDepth, p.SyncQueueMaxDepth)

	var details []string
	if problem := core.Limits.RateMaxPerSecond.Problem(rate); problem != "" {
		details = append(details, core.Limits.RateMaxPerSecond.Name+": "+problem)
	}
	var invalid *core.ValidationError
	if errors.As(q.Validate(), &invalid) {
		details = append(details, invalid.Details...)
	}
	if len(details) > 0 {
		return rate, q, &apiError{fasthttp.StatusUnprocessableEntity, core.CodeValidation, "Request validation failed", details}
	}
	return rate, q, nil
}

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

func (s *Server) handleGetRuntimeConfig(ctx *fasthttp.RequestCtx) {
	s.runtime.mu.Lock()
	defer s.runtime.mu.Unlock()
	writeJSON(ctx, fasthttp.StatusOK, s.runtimeValues())
}

// handlePatchRuntimeConfig changes values if the expected revision is the one
// in force, so that two operators cannot overwrite each other unseen.
func (s *Server) handlePatchRuntimeConfig(ctx *fasthttp.RequestCtx) {
	p, estimated, queued, fault := decodeRuntimePatch(ctx.PostBody())
	if fault != nil {
		fault.write(ctx)
		return
	}
	if p.ExpectedRevision == nil {
		p.ExpectedRevision = p.Revision
	}
	if p.ExpectedRevision == nil {
		badRequest(codeRevisionMissing, "expectedRevision is required: GET the configuration and send the revision you saw").write(ctx)
		return
	}
	s.runtime.mu.Lock()
	defer s.runtime.mu.Unlock()
	if *p.ExpectedRevision != s.runtime.revision {
		writeError(ctx, fasthttp.StatusConflict, core.CodeRevisionConflict,
			fmt.Sprintf("the configuration is at revision %d, not %d; GET it and try again", s.runtime.revision, *p.ExpectedRevision))
		return
	}
	rate, q, fault := s.merged(p, estimated, queued)
	if fault != nil {
		fault.write(ctx)
		return
	}
	s.applyRuntime(rate, q, author{s.who(ctx), ctx.RemoteAddr().String()})
	note(ctx, "revision", s.runtime.revision)
	writeJSON(ctx, fasthttp.StatusOK, s.runtimeValues())
}

// handleValidateRuntimeConfig says whether a PATCH would be taken, and changes
// nothing.
func (s *Server) handleValidateRuntimeConfig(ctx *fasthttp.RequestCtx) {
	p, estimated, queued, fault := decodeRuntimePatch(ctx.PostBody())
	if fault == nil {
		s.runtime.mu.Lock()
		_, _, fault = s.merged(p, estimated, queued)
		s.runtime.mu.Unlock()
	}
	if fault != nil {
		fault.write(ctx)
		return
	}
	writeJSON(ctx, fasthttp.StatusOK, map[string]bool{"valid": true})
}

// applyRuntime makes a new revision; the caller holds runtime.mu and has
// validated the values.
func (s *Server) applyRuntime(rate int64, q core.SyncQueueConfig, by author) {
	before := s.runtimeValues()
	s.core.SetRateMaxPerSecond(rate)
	_ = s.core.SetSyncQueue(q) // validated
	s.runtime.revision++
	change := runtimeChange{
		Revision: s.runtime.revision, AtMillis: s.clock.Now().WallMillis(), Who: by.who, Remote: by.remote,
		Changes: differences(before, s.runtimeValues()),
	}
	s.runtime.record(change)
	s.log.Info("runtime configuration changed", "revision", change.Revision, "who", by.who, "remote", by.remote, "changes", changesText(change.Changes))
}

// Reload applies the runtime part of a newly read configuration, as SIGHUP
// does. Values that need a restart are left alone. When nothing differs there
// is no new revision.
func (s *Server) Reload(cfg Config) {
	s.runtime.mu.Lock()
	defer s.runtime.mu.Unlock()
	if max(cfg.Core.RateMaxPerSecond, 0) == max(s.core.RateMaxPerSecond(), 0) && cfg.Core.SyncQueue == s.core.SyncQueue() {
		s.log.Info("configuration reloaded; nothing of it changed", "who", whoReload, "revision", s.runtime.revision)
		return
	}
	s.applyRuntime(cfg.Core.RateMaxPerSecond, cfg.Core.SyncQueue, author{who: whoReload})
}
