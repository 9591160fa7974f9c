package telemetry

import (
	"bytes"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/prometheus/common/expfmt"
	"github.com/valyala/fasthttp"

	"simplane/server/internal/httpjson"
)

// Bounds of scraping. A reader that is slow keeps its page, so the pages that
// are kept are bounded by the readers at once.
const (
	maxReaders = 16 // of one address
	maxWaiting = 64 // for another to be done
	readerWait = 10 * time.Second
)

// CodeScrapesBusy is the refusal of a scrape while too many others are read.
const CodeScrapesBusy = "SCRAPES_BUSY"

// Scraper answers scrapes at one address. Each address has readers of its own:
// whoever reads slowly at one leaves the other as it is.
func (m *Metrics) Scraper() fasthttp.RequestHandler {
	places := httpjson.NewPlaces(maxReaders, maxWaiting, readerWait)
	return func(ctx *fasthttp.RequestCtx) {
		if !places.Take() {
			ctx.Response.Header.Set("Retry-After", "1")
			httpjson.WriteError(ctx, fasthttp.StatusServiceUnavailable, CodeScrapesBusy, "the metrics are being read by as many as may at once; retry")
			return
		}
		answering := false
		defer func() {
			if !answering { // there was no page, or a panic
				places.Leave()
			}
		}()
		form, contentType := negotiate(ctx)
		p, err := m.pages.current(form)
		if err != nil {
			httpjson.WriteError(ctx, fasthttp.StatusInternalServerError, httpjson.CodeInternal, err.Error())
			return
		}
		ctx.SetContentType(contentType)
		ctx.Response.Header.Set("Vary", "Accept, Accept-Encoding")
		body, size := io.Reader(bytes.NewReader(p.gzip)), len(p.gzip)
		if ctx.Request.Header.HasAcceptEncoding("gzip") {
			ctx.Response.Header.Set("Content-Encoding", "gzip")
		} else if body, err = gzip.NewReader(body); err == nil {
			size = p.plain
		} else {
			httpjson.WriteError(ctx, fasthttp.StatusInternalServerError, httpjson.CodeInternal, err.Error())
			return
		}
		answering = true
		ctx.SetBodyStream(&scrapeBody{body, sync.OnceFunc(places.Leave)}, size)
	}
}

// scrapeBody is a page on its way to its reader.
type scrapeBody struct {
	io.Reader
	leave func()
}

// Close gives the place back.
func (b *scrapeBody) Close() error {
	b.leave()
	return nil
}

// negotiate picks the form that the caller accepts, text if in doubt.
func negotiate(ctx *fasthttp.RequestCtx) (form int, contentType string) {
	accept := http.Header{"Accept": {string(ctx.Request.Header.Peek("Accept"))}}
	f := expfmt.NegotiateAccept(accept, formats[formProtobuf], formats[formText])
	if f.FormatType() == expfmt.TypeProtoDelim {
		return formProtobuf, string(f)
	}
	return formText, string(f)
}
