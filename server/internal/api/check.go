package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"

	"github.com/valyala/fasthttp"

	"simplane/core/strictyaml"
	"simplane/server/client/specfile"
	"simplane/server/funcspec"
	"simplane/server/internal/httpjson"
)

// checked is what a spec would come to, and what it would change.
type checked struct {
	Spec       funcspec.Spec `json:"spec"`       // with its defaults
	YAML       string        `json:"yaml"`       // the same as text
	Generation uint64        `json:"generation"` // of the function in force; 0 = it would be a new one
	Current    string        `json:"current"`    // its spec as text; "" for a new one
	Changes    []string      `json:"changes"`    // "field: before -> after"; values of env are left out
}

// Check says what a spec, YAML or JSON, would come to as the function of a name, and
// changes nothing. A body without anything is the spec in force.
func (a *API) Check(ctx *fasthttp.RequestCtx, name string) {
	answer, fault := a.check(ctx.PostBody(), name)
	if fault != nil {
		fault.Write(ctx)
		return
	}
	httpjson.WriteJSON(ctx, fasthttp.StatusOK, answer)
}

func (a *API) check(text []byte, name string) (*checked, *httpjson.Error) {
	c := &checked{Changes: []string{}}
	var have *funcspec.Spec
	if fn := a.Core.Function(name); fn != nil {
		view := funcspec.View(fn.Spec())
		have = &view
		c.Generation = view.Generation
		c.Current = textOf(view)
	}
	if len(bytes.TrimSpace(text)) == 0 {
		if have == nil {
			return nil, httpjson.ValidationFailed("the body is empty, and there is no function " + strconv.Quote(name))
		}
		c.Spec, c.YAML = *have, c.Current
		return c, nil
	}
	if len(text) > maxSpecBody {
		return nil, specTooLarge(len(text))
	}
	body, fault := bodyOf(text)
	if fault != nil {
		return nil, fault
	}
	spec, fault := a.resolve(body, name)
	if fault != nil {
		return nil, fault
	}
	c.Spec = funcspec.View(spec)
	c.YAML = textOf(c.Spec)
	if have != nil {
		for _, d := range specfile.Diff(have, &c.Spec) {
			c.Changes = append(c.Changes, d.String())
		}
	}
	return c, nil
}

// bodyOf is the one spec in a text, as JSON. Unknown keys are refused: people type it.
func bodyOf(text []byte) (json.RawMessage, *httpjson.Error) {
	specs, err := specfile.Load("spec", text)
	var wrong *strictyaml.Error
	switch {
	case errors.As(err, &wrong):
		var details []string
		for _, p := range wrong.Problems {
			details = append(details, "line "+strconv.Itoa(p.Line)+": "+p.What)
		}
		return nil, httpjson.ValidationFailed(details...)
	case err != nil:
		return nil, httpjson.ValidationFailed(err.Error())
	case len(specs) != 1:
		return nil, httpjson.ValidationFailed("give one spec, not " + strconv.Itoa(len(specs)))
	}
	return specs[0].Body, nil
}

// textOf is a spec as YAML, without what the server says of it.
func textOf(s funcspec.Spec) string {
	s.Generation, s.Rollout, s.Trouble = 0, nil, ""
	raw, err := json.Marshal(s)
	if err != nil {
		return ""
	}
	var b bytes.Buffer
	if err := specfile.WriteYAML(&b, raw); err != nil {
		return ""
	}
	return b.String()
}
