package admin

import (
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"regexp"
	"sync"
	"time"

	"github.com/sosodev/duration"
	"github.com/valyala/fasthttp"

	"simplane/core"
	"simplane/server/internal/auth"
	"simplane/server/internal/httpjson"
	"simplane/server/internal/journal"
)

const codeRevisionMissing = "REVISION_REQUIRED"

// runtimeConfig is what can be changed while the server runs. Every change
// makes a new revision; a change is applied whole or not at all.
type runtimeConfig struct {
	mu sync.Mutex
	storedRuntime
	saved savedRuntime // the newest revision, where the journal keeps it
	// followed says that the values are those that the cluster was told of.
	followed bool
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

// runtimeAnswer has the values twice: flat, and in one member, as older clients
// read them.
type runtimeAnswer struct {
	runtimeValues
	EffectiveConfig runtimeValues `json:"effectiveConfig"`
	AppliedAt       string        `json:"appliedAt"` // RFC 3339
	ChangeID        string        `json:"changeId"`
}

// runtimeAnswer shows the values of the newest revision; the caller holds runtime.mu.
func (a *Admin) runtimeAnswer() runtimeAnswer {
	v := a.runtimeValues()
	return runtimeAnswer{v, v, a.runtime.Applied.UTC().Format(time.RFC3339Nano), a.runtime.ChangeID}
}

func (a *Admin) runtimeValues() runtimeValues {
	q := a.runtime.SyncQueue
	return runtimeValues{
		Revision:                   a.runtime.Revision,
		RateMaxPerSecond:           a.runtime.RateMaxPerSecond,
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
func decodeRuntimePatch(body []byte) (p runtimePatch, estimated, queued *time.Duration, fault *httpjson.Error) {
	if fault = httpjson.WholeObject(body); fault != nil {
		return p, nil, nil, fault
	}
	if err := httpjson.Unmarshal(body, &p); err != nil {
		return p, nil, nil, httpjson.Undecodable(err)
	}
	estimated, first := isoDuration("syncQueueMaxEstimatedWait", p.SyncQueueMaxEstimatedWait)
	queued, second := isoDuration("syncQueueMaxQueueWait", p.SyncQueueMaxQueueWait)
	if details := append(first, second...); len(details) > 0 {
		return p, nil, nil, httpjson.ValidationFailed(details...)
	}
	return p, estimated, queued, nil
}

// isoForm is what the package duration reads and ISO 8601 allows; the package
// takes some texts without any number, too.
var isoForm = regexp.MustCompile(`^-?P(([0-9]+(\.[0-9]+)?[YMWD])+(T([0-9]+(\.[0-9]+)?[HMS])+)?|T([0-9]+(\.[0-9]+)?[HMS])+)$`)

func isoDuration(field string, text *string) (*time.Duration, []string) {
	if text == nil {
		return nil, nil
	}
	d, err := duration.Parse(*text)
	if err != nil || !isoForm.MatchString(*text) {
		return nil, []string{fmt.Sprintf("%s: must be an ISO 8601 duration such as PT0.5S, not %q", field, httpjson.Clip([]byte(*text), 40))}
	}
	t := d.ToTimeDuration()
	// Of much more than that many hours it makes any duration, above zero or below.
	const most = 250 * 365 * 24
	if d.Years*365*24+d.Months*30*24+d.Weeks*7*24+d.Days*24+d.Hours+d.Minutes/60+d.Seconds/3600 > most {
		t = math.MaxInt64
		if d.Negative {
			t = math.MinInt64
		}
	}
	return &t, nil
}

// merged returns the values a patch leads to, and what is semantically wrong
// with them (422).
func (a *Admin) merged(p runtimePatch, estimated, queued *time.Duration) (rate int64, q core.SyncQueueConfig, fault *httpjson.Error) {
	rate, q = a.runtime.RateMaxPerSecond, a.runtime.SyncQueue
	set(&rate, p.RateMaxPerSecond)
	set(&q.Enabled, p.SyncQueueEnabled)
	if p.SyncQueueAdmissionEnabled != nil {
		q.EstimateDisabled = !*p.SyncQueueAdmissionEnabled
	}
	set(&q.MaxEstimatedWait, estimated)
	set(&q.MaxQueueWait, queued)
	if p.SyncQueueRetryAfterSeconds != nil {
		q.RetryAfter = time.Duration(min(max(*p.SyncQueueRetryAfterSeconds, -1), 1<<33)) * time.Second
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
	if len(details) == 0 && (estimated != nil || queued != nil) && q.MaxEstimatedWait > q.MaxQueueWait {
		details = append(details, fmt.Sprintf("syncQueueMaxEstimatedWait: must be at most syncQueueMaxQueueWait, and %s is more than %s: callers would be admitted whose wait is then too long; change both together",
			duration.Format(q.MaxEstimatedWait), duration.Format(q.MaxQueueWait)))
	}
	if len(details) > 0 {
		return rate, q, &httpjson.Error{Status: fasthttp.StatusUnprocessableEntity, Code: httpjson.CodeValidation, Message: "Request validation failed", Details: details}
	}
	return rate, q, nil
}

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

// GetRuntimeConfig shows the values in force.
func (a *Admin) GetRuntimeConfig(ctx *fasthttp.RequestCtx) {
	a.runtime.mu.Lock()
	answer := a.runtimeAnswer()
	a.runtime.mu.Unlock()
	if a.stored(ctx, a.Core.SettingsAt()) {
		httpjson.WriteJSON(ctx, fasthttp.StatusOK, answer)
	}
}

// stored waits until the fact at the place is durable, and refuses the request
// if that takes too long; 0 is no fact.
func (a *Admin) stored(ctx *fasthttp.RequestCtx, at core.LSN) bool {
	if at == 0 || a.Stored == nil {
		return true
	}
	err := a.Stored(at)
	if err != nil {
		code, message := journal.CodeUnavailable, err.Error()
		var why *core.Rejection
		if errors.As(err, &why) {
			code, message = why.Code, why.Message
		}
		ctx.Response.Header.Set("Retry-After", "1")
		httpjson.WriteError(ctx, fasthttp.StatusServiceUnavailable, code, message)
	}
	return err == nil
}

// PatchRuntimeConfig changes values if the expected revision is the one
// in force, so that two operators cannot overwrite each other unseen.
func (a *Admin) PatchRuntimeConfig(ctx *fasthttp.RequestCtx) {
	p, estimated, queued, fault := decodeRuntimePatch(ctx.PostBody())
	if fault != nil {
		fault.Write(ctx)
		return
	}
	if p.ExpectedRevision == nil {
		p.ExpectedRevision = p.Revision
	}
	if p.ExpectedRevision == nil {
		httpjson.BadRequest(codeRevisionMissing, "expectedRevision is required: GET the configuration and send the revision you saw").Write(ctx)
		return
	}
	for before := a.savedAt(); a.stored(ctx, before); before = a.savedAt() {
		answer, at, done, again := a.patchRuntime(ctx, before, &p, estimated, queued)
		if again {
			continue
		}
		if done && a.stored(ctx, at) {
			httpjson.WriteJSON(ctx, fasthttp.StatusOK, answer)
		}
		return
	}
}

// patchRuntime makes the change; otherwise it has written why not. A change rests on one
// that is durable: so one at most is not. again says that this does not hold for the one
// at before, because another one was made meanwhile.
func (a *Admin) patchRuntime(ctx *fasthttp.RequestCtx, before core.LSN, p *runtimePatch, estimated, queued *time.Duration) (answer runtimeAnswer, at core.LSN, done, again bool) {
	a.runtime.mu.Lock()
	defer a.runtime.mu.Unlock()
	if a.runtime.saved.at != before {
		return answer, 0, false, true
	}
	if *p.ExpectedRevision != a.runtime.Revision {
		httpjson.WriteJSON(ctx, fasthttp.StatusConflict, struct {
			Error           string `json:"error"`
			Message         string `json:"message"`
			CurrentRevision int64  `json:"currentRevision"`
		}{httpjson.CodeRevisionConflict, fmt.Sprintf("the configuration is at revision %d, not %d; GET it and try again", a.runtime.Revision, *p.ExpectedRevision), a.runtime.Revision})
		return answer, 0, false, false
	}
	rate, q, fault := a.merged(*p, estimated, queued)
	if fault != nil {
		fault.Write(ctx)
		return answer, 0, false, false
	}
	at = a.applyRuntime(rate, q, author{a.Guard.Who(ctx), ctx.RemoteAddr().String()})
	Note(ctx, "revision", a.runtime.Revision)
	return a.runtimeAnswer(), at, true, false
}

// ValidateRuntimeConfig reports whether a PATCH would be accepted, and
// changes nothing.
func (a *Admin) ValidateRuntimeConfig(ctx *fasthttp.RequestCtx) {
	p, estimated, queued, fault := decodeRuntimePatch(ctx.PostBody())
	if fault == nil {
		a.runtime.mu.Lock()
		_, _, fault = a.merged(p, estimated, queued)
		a.runtime.mu.Unlock()
	}
	if fault != nil {
		fault.Write(ctx)
		return
	}
	httpjson.WriteJSON(ctx, fasthttp.StatusOK, map[string]bool{"valid": true})
}

// applyRuntime makes a new revision; the caller holds runtime.mu and has
// validated the values. Nobody may be told before the fact at the LSN, if any, is
// durable.
func (a *Admin) applyRuntime(rate int64, q core.SyncQueueConfig, by author) core.LSN {
	before := a.runtimeValues()
	a.runtime.RateMaxPerSecond, a.runtime.SyncQueue = rate, q
	if !a.FollowsStored {
		a.runtime.applyTo(a.Core)
	}
	a.runtime.next(a.NowMillis())
	change := runtimeChange{
		Revision: a.runtime.Revision, AtMillis: a.runtime.Applied.UnixMilli(), Who: by.who, Remote: by.remote,
		Changes: differences(before, a.runtimeValues()),
	}
	a.runtime.record(change)
	a.Log.Info("runtime configuration changed", "revision", change.Revision, "who", by.who, "remote", by.remote, "changes", changesText(change.Changes))
	return a.saveRuntime()
}

// next makes a new revision.
func (rc *runtimeConfig) next(nowMillis int64) {
	rc.Revision++
	rc.Applied, rc.ChangeID = time.UnixMilli(nowMillis), rand.Text()
}

// Reload applies newly read values, as SIGHUP does. When nothing differs there
// is no new revision.
func (a *Admin) Reload(rate int64, q core.SyncQueueConfig) {
	a.runtime.mu.Lock()
	defer a.runtime.mu.Unlock()
	rate = max(rate, 0)
	if rate == a.runtime.RateMaxPerSecond && q == a.runtime.SyncQueue {
		a.Log.Info("configuration reloaded; nothing of it changed", "who", auth.WhoReload, "revision", a.runtime.Revision)
		return
	}
	a.applyRuntime(rate, q, author{who: auth.WhoReload})
}
