package admin

import (
	"bytes"
	"errors"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"simplane/server/internal/flight"
	"simplane/server/internal/httpjson"
)

// One dump is made and sent at a time: it is held in memory, packed, until its
// reader has it.
const (
	dumpsWaiting = 8
	dumpPatience = 2 * time.Second
)

// FlightRecorder shows what the flight recorder holds.
func (a *Admin) FlightRecorder(ctx *fasthttp.RequestCtx) {
	httpjson.WriteJSON(ctx, fasthttp.StatusOK, a.Flight.State())
}

// DumpFlightRecorder answers with what the flight recorder holds, as a file. It
// is all of one moment, however slowly it is read.
func (a *Admin) DumpFlightRecorder(ctx *fasthttp.RequestCtx) {
	if !a.dumping.Take() {
		ctx.Response.Header.Set("Retry-After", "1")
		httpjson.WriteError(ctx, fasthttp.StatusServiceUnavailable, "DUMP_BUSY", "another dump is being made or sent; one at a time")
		return
	}
	d := &sentDump{leave: sync.OnceFunc(a.dumping.Leave)}
	switch err := a.Flight.Dump(&d.Buffer, "request"); {
	case errors.Is(err, flight.ErrOff):
		d.leave()
		httpjson.WriteError(ctx, fasthttp.StatusConflict, "FLIGHT_RECORDER_OFF", err.Error())
	case err != nil: // writing to memory does not fail
		d.leave()
		httpjson.WriteError(ctx, fasthttp.StatusInternalServerError, httpjson.CodeInternal, err.Error())
	default:
		name := flight.DumpName(time.UnixMilli(a.NowMillis()))
		Note(ctx, "bytes", d.Len(), "file", name)
		h := &ctx.Response.Header
		h.SetContentType("application/octet-stream")
		h.Set("Content-Disposition", `attachment; filename="`+name+`"`)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		ctx.Response.SetBodyStream(d, d.Len()) // closed when it is sent or cannot be
	}
}

// sentDump is a dump on its way.
type sentDump struct {
	bytes.Buffer
	leave func()
}

// Close lets the next dump be made.
func (d *sentDump) Close() error {
	d.leave()
	return nil
}
