package api

import (
	"time"

	"github.com/valyala/fasthttp"

	"simplane/server/funcspec"
	"simplane/server/internal/admin"
	"simplane/server/internal/httpjson"
)

// Revisions lists the specs that a function has had, newest first.
func (a *API) Revisions(ctx *fasthttp.RequestCtx, name string) {
	revisions, err := a.Registrar.Revisions(name)
	if err != nil {
		a.refused(ctx, err)
		return
	}
	if !a.settled(ctx) {
		return
	}
	ctx.Response.Header.SetContentTypeBytes(httpjson.ContentTypeJSON)
	a.Lists.Write(ctx, func() func(*httpjson.Parts) bool {
		separator := "["
		return func(p *httpjson.Parts) bool {
			if len(revisions) == 0 {
				p.B = append(p.B, ']')
				return false
			}
			rev := revisions[0]
			revisions = revisions[1:]
			p.B, separator = append(p.B, separator...), ","
			p.JSON(struct {
				Generation uint64        `json:"generation"`
				At         string        `json:"at"`
				Who        string        `json:"who"`
				Restores   uint64        `json:"restores,omitempty"`
				Failed     bool          `json:"failed,omitempty"`
				Spec       funcspec.Spec `json:"spec"`
			}{rev.Spec.Generation, rev.At.UTC().Format(time.RFC3339Nano), rev.Who, rev.Restores, rev.Failed, funcspec.View(rev.Spec)})
			return true
		}
	})
}

// Rollback puts the spec of an earlier generation in force again.
func (a *API) Rollback(ctx *fasthttp.RequestCtx, name string) {
	seen, fault := ifMatch(ctx)
	if fault != nil {
		fault.Write(ctx)
		return
	}
	var body struct {
		Generation uint64 `json:"generation"`
	}
	raw := ctx.PostBody()
	if fault := httpjson.WholeObject(raw); fault != nil {
		fault.Write(ctx)
		return
	}
	if err := httpjson.Unmarshal(raw, &body); err != nil || body.Generation == 0 {
		httpjson.ValidationFailed("generation: must be that of an earlier revision, a whole number from 1").Write(ctx)
		return
	}
	spec, fault := a.Registrar.Rollback(name, body.Generation, seen, a.Guard.Who(ctx))
	if fault != nil {
		fault.Write(ctx)
		return
	}
	admin.Note(ctx, "from", body.Generation, "generation", spec.Generation)
	a.writeSpec(ctx, fasthttp.StatusOK, spec)
}
