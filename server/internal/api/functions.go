package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/valyala/fasthttp"

	"simplane/core"
	"simplane/server/funcspec"
	"simplane/server/internal/admin"
	"simplane/server/internal/httpjson"
	"simplane/server/internal/jsonobject"
)

// Register adds a function.
func (a *API) Register(ctx *fasthttp.RequestCtx) {
	spec, fault := a.readSpec(ctx, "")
	if fault == nil {
		var fn *core.Function
		if fn, fault = a.Registrar.Register(spec, a.Guard.Who(ctx)); fault == nil {
			a.writeSpec(ctx, fasthttp.StatusCreated, fn.Spec())
			return
		}
	}
	fault.Write(ctx)
}

// Put registers a function or changes it in place.
func (a *API) Put(ctx *fasthttp.RequestCtx, name string) {
	seen, fault := ifMatch(ctx)
	if fault != nil {
		fault.Write(ctx)
		return
	}
	spec, fault := a.readSpec(ctx, name)
	if fault != nil {
		fault.Write(ctx)
		return
	}
	now, created, fault := a.Registrar.Apply(spec, seen, a.Guard.Who(ctx))
	if fault != nil {
		fault.Write(ctx)
		return
	}
	status := fasthttp.StatusOK
	if created {
		status = fasthttp.StatusCreated
	}
	admin.Note(ctx, "generation", now.Generation)
	a.writeSpec(ctx, status, now)
}

// readSpec reads and resolves the spec of a request, and notes it for the audit
// log. name is the one that the path has; empty when it has none.
func (a *API) readSpec(ctx *fasthttp.RequestCtx, name string) (*core.Spec, *httpjson.Error) {
	spec, fault := a.resolve(ctx.PostBody(), name)
	if fault == nil {
		admin.Note(ctx, "function", spec.Name, "mode", funcspec.Of(spec).ExecutionMode)
	}
	return spec, fault
}

// resolve reads a spec, checks it, and fills in its defaults.
func (a *API) resolve(body []byte, name string) (*core.Spec, *httpjson.Error) {
	if n := len(body); n > maxSpecBody {
		return nil, specTooLarge(n)
	}
	in, wrong, fault := decodeSpec(body)
	if fault != nil {
		return nil, fault
	}
	if name != "" {
		if in.Name != nil && *in.Name != name {
			wrong["name"] = fmt.Sprintf("must be %q, as in the path, or left out", name)
		}
		name = strings.Clone(name) // the request's memory is used again
		in.Name = &name
	}
	spec, err := funcspec.Resolve(in)
	if err == nil {
		err = a.Core.CheckSpec(spec)
	}
	var invalid *core.ValidationError
	errors.As(err, &invalid)
	if details := specDetails(wrong, invalid); len(details) > 0 {
		return nil, httpjson.ValidationFailed(details...)
	}
	if n := funcspec.Of(spec).JSONBytes; n > funcspec.MaxJSONBytes {
		return nil, specTooLarge(n)
	}
	if u, err := url.Parse(funcspec.Of(spec).EndpointURL); err == nil && u.Host != "" {
		if err := a.CheckEndpoint(u.Hostname()); err != nil {
			return nil, httpjson.ValidationFailed("endpointUrl: " + err.Error())
		}
	}
	return spec, nil
}

// maxSpecBody is a length beyond which a spec is not even decoded: white space
// and escapes do not make it that much longer than its stored form.
const maxSpecBody = 4 * funcspec.MaxJSONBytes

func specTooLarge(n int) *httpjson.Error {
	return &httpjson.Error{Status: fasthttp.StatusRequestEntityTooLarge, Code: httpjson.CodeSpecTooLarge, Message: fmt.Sprintf(
		"the spec has %d bytes, %d are allowed in its stored form (JSON with the defaults filled in); keep large values in files, or fetch them at start", n, funcspec.MaxJSONBytes)}
}

// writeSpec writes a function's spec, its generation as an entity tag too, and
// how its rollout goes, once that is stored.
func (a *API) writeSpec(ctx *fasthttp.RequestCtx, status int, spec *core.Spec) {
	if !a.stored(ctx, spec.LSN) {
		return
	}
	ctx.Response.Header.Set(fasthttp.HeaderETag, strconv.Quote(strconv.FormatUint(spec.Generation, 10)))
	view := funcspec.View(spec)
	view.Rollout, view.Trouble = a.Rollout(spec), a.Trouble(spec)
	httpjson.WriteJSON(ctx, status, view)
}

// ifMatch is the generation that an If-Match header asks for; 0 = any.
func ifMatch(ctx *fasthttp.RequestCtx) (uint64, *httpjson.Error) {
	text := string(bytes.TrimSpace(ctx.Request.Header.Peek(fasthttp.HeaderIfMatch)))
	if text == "" || text == "*" {
		return 0, nil
	}
	n, err := strconv.ParseUint(strings.Trim(text, `"`), 10, 64)
	if err != nil || n == 0 {
		return 0, httpjson.ValidationFailed(fmt.Sprintf("If-Match: must be a generation such as \"3\", not %q", httpjson.Clip([]byte(text), 40)))
	}
	return n, nil
}

// decodeSpec reads a function spec. Malformed JSON names the byte offset.
// wrong has the fields whose value is of the wrong type, each with its error:
// members are read one by one, so that all errors are found.
func decodeSpec(body []byte) (in funcspec.Input, wrong map[string]string, fault *httpjson.Error) {
	r := httpjson.ReadBody(body)
	defer r.Close()
	wrong = map[string]string{}
	fault = r.Object(body, func(name []byte) (bool, error) {
		value, err := jsonobject.Value(&r.Dec, body)
		if err != nil {
			return true, err
		}
		key, _ := json.Marshal(string(name))
		err = httpjson.Unmarshal(slices.Concat([]byte("{"), key, []byte(":"), value, []byte("}")), &in)
		if field, what, ok := httpjson.WrongType(err); ok {
			wrong[field] = what
			err = nil
		} else if err == nil && nullInside(string(name), value) {
			wrong[string(name)] = "must be a string"
		}
		return true, err
	})
	return in, wrong, fault
}

// nullInside reports whether a list or mapping of strings holds a null, which
// would be read as an empty string.
func nullInside(name string, value []byte) bool {
	var list []*string
	var mapping map[string]*string
	switch name {
	case "commands", "command", "imagePullSecrets":
		_ = json.Unmarshal(value, &list)
	case "env":
		_ = json.Unmarshal(value, &mapping)
	}
	return slices.Contains(list, nil) || slices.Contains(slices.Collect(maps.Values(mapping)), nil)
}

// index is the place in a list, which errors of decoding do not name.
var index = regexp.MustCompile(`\[\d+\]`)

// specDetails joins the errors of decoding and of resolving. Resolving does
// not see a field of the wrong type; that it is missing is left out.
func specDetails(wrong map[string]string, invalid *core.ValidationError) []string {
	var details []string
	for field, what := range wrong {
		details = append(details, field+": "+what)
	}
	if invalid != nil {
		for _, d := range invalid.Details {
			field, _, _ := strings.Cut(d, ":")
			if _, known := wrong[index.ReplaceAllString(field, "")]; !known {
				details = append(details, d)
			}
		}
	}
	slices.Sort(details)
	return details
}

// ListFunctions lists the specs of the functions, sorted by name: all of them,
// or as many as the limit and MaxListBytes allow.
func (a *API) ListFunctions(ctx *fasthttp.RequestCtx) {
	limit, fault := httpjson.LimitArg(ctx, "limit", math.MaxInt, httpjson.MaxListed)
	if fault != nil {
		fault.Write(ctx)
		return
	}
	sources := a.Cores()
	after := functionsAfter(sources, string(ctx.QueryArgs().Peek("cursor")))
	left := make([]*core.Spec, min(limit, len(after)))
	for i := range left { // now: what is shown must be stored
		left[i] = after[i].Spec()
	}
	for _, of := range sources {
		if !a.storedBy(ctx, of.Stored, of.Core.SettingsAt()) {
			return
		}
	}
	ctx.Response.Header.SetContentTypeBytes(httpjson.ContentTypeJSON)
	a.Lists.Write(ctx, func() func(*httpjson.Parts) bool {
		if n := fitting(left); n < len(after) {
			left = left[:n]
			ctx.Response.Header.Set(httpjson.HeaderNextCursor, left[n-1].Name)
		}
		separator := "["
		return func(p *httpjson.Parts) bool {
			if len(left) == 0 {
				if separator == "[" {
					p.B = append(p.B, '[')
				}
				p.B = append(p.B, ']')
				return false
			}
			p.B, separator = append(p.B, separator...), ","
			view := funcspec.View(left[0])
			view.Rollout, view.Trouble = a.Rollout(left[0]), a.Trouble(left[0])
			p.JSON(view)
			left = left[1:]
			return true
		}
	})
}

// functionsAfter are the functions of all cores whose names come after name, sorted
// by name.
func functionsAfter(sources []Source, name string) []*core.Function {
	if len(sources) == 1 {
		return sources[0].Core.FunctionsAfter(name)
	}
	var all []*core.Function
	for _, of := range sources {
		all = append(all, of.Core.FunctionsAfter(name)...)
	}
	slices.SortFunc(all, func(a, b *core.Function) int { return strings.Compare(a.Name(), b.Name()) })
	return all
}

// fitting is how many of the functions' specs go into one answer: the header
// that says where to go on is sent before them.
func fitting(specs []*core.Spec) int {
	size := 0
	for i, spec := range specs {
		if size += funcspec.Of(spec).JSONBytes; size >= httpjson.MaxListBytes {
			return i + 1
		}
	}
	return len(specs)
}

// GetFunction shows the spec of one function.
func (a *API) GetFunction(ctx *fasthttp.RequestCtx, name string) {
	fn := a.Core.Function(name)
	switch {
	case fn != nil:
		a.writeSpec(ctx, fasthttp.StatusOK, fn.Spec())
	case a.settled(ctx): // it may have been deleted just now
		a.writeRejection(ctx, core.ErrNotFound)
	}
}

// DeleteFunction removes a function.
func (a *API) DeleteFunction(ctx *fasthttp.RequestCtx, name string) {
	at, err := a.Registrar.Unregister(name)
	if err != nil {
		a.refused(ctx, err)
		return
	}
	if !a.stored(ctx, at) {
		return
	}
	ctx.SetStatusCode(fasthttp.StatusNoContent)
}

// SetReplicas sets the instances of a DEPLOYMENT function by hand.
func (a *API) SetReplicas(ctx *fasthttp.RequestCtx, name string) {
	var body struct {
		Replicas *int `json:"replicas"`
	}
	fn := a.Core.Function(name)
	if fn == nil {
		a.writeRejection(ctx, core.ErrNotFound)
		return
	}
	raw := ctx.PostBody()
	if fault := httpjson.WholeObject(raw); fault != nil {
		fault.Write(ctx)
		return
	}
	if err := httpjson.Unmarshal(raw, &body); err != nil || body.Replicas == nil || *body.Replicas < 0 || *body.Replicas > core.MaxReplicasBound {
		httpjson.ValidationFailed(fmt.Sprintf("replicas: must be a whole number from 0 to %d", core.MaxReplicasBound)).Write(ctx)
		return
	}
	if mode := funcspec.Of(fn.Spec()).ExecutionMode; mode != funcspec.ModeDeployment {
		httpjson.ValidationFailed("executionMode: replicas can be set on DEPLOYMENT functions only, this one is " + mode).Write(ctx)
		return
	}
	admin.Note(ctx, "replicas", *body.Replicas)
	if fault := a.Registrar.SetReplicas(fn, *body.Replicas); fault != nil {
		fault.Write(ctx)
		return
	}
	httpjson.WriteJSON(ctx, fasthttp.StatusOK, map[string]any{"function": name, "replicas": *body.Replicas})
}

// Logs shows what a DEPLOYMENT function's instances wrote.
func (a *API) Logs(ctx *fasthttp.RequestCtx, name string) {
	tail, fault := httpjson.LimitArg(ctx, "tail", 200, 10_000)
	since := int64(0)
	if fault == nil {
		since, fault = millisArg(ctx, "since")
	}
	fn := a.Core.Function(name)
	switch {
	case fn == nil:
		a.writeRejection(ctx, core.ErrNotFound)
		return
	case fault != nil:
		fault.Write(ctx)
		return
	case !a.Registrar.Runs(fn):
		httpjson.ValidationFailed("executionMode: only DEPLOYMENT functions that a provider runs have logs here").Write(ctx)
		return
	}
	name = strings.Clone(name) // the provider may keep it longer than the request lasts
	a.Lists.Fetch(ctx, func() func(*httpjson.Parts) bool {
		lines, err := a.Registrar.Logs(name, tail, since)
		if err != nil {
			httpjson.WriteError(ctx, fasthttp.StatusNotFound, core.CodeNotFound, err.Error())
			return nil
		}
		ctx.SetContentType("text/plain; charset=utf-8")
		return func(p *httpjson.Parts) bool {
			if len(lines) > 0 {
				l := lines[0]
				p.B = fmt.Appendf(p.B, "%s %s %s %s\n", l.Time.UTC().Format("2006-01-02T15:04:05.000Z"), l.Instance, l.Stream, l.Text)
				lines = lines[1:]
			}
			return len(lines) > 0
		}
	})
}
