package httpjson

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
)

// MaxListBytes is about how long an answer with a list gets: it ends with the
// entry that goes beyond, and says where to go on.
const MaxListBytes = 16 << 20

// Bounds of what lists hold, and of how many there are.
const (
	wholeListBytes = 16 << 10 // up to here an answer is made at once; later parts have this size
	listsMade      = 8        // lists that are being begun at once
	listsFetched   = 8        // those of them that come from elsewhere
	longLists      = 32       // answers beyond wholeListBytes that are being written at once
	listsWaiting   = 64       // that wait for others to be written
	listPatience   = 2 * time.Second
	partBytes      = 4 << 10 // longer values are written from where they are
)

// CodeListsBusy refuses a long list while others are being written.
const CodeListsBusy = "LISTS_BUSY"

// HeaderNextCursor is the response header of a list that was cut and whose body
// has no room to say so: the cursor that the next part begins with.
const HeaderNextCursor = "X-Next-Cursor"

// Lists writes answers of any length in bounded memory. A short one is made at
// once. A long one is made part by part as its reader takes it, and only so
// many are under way at once; the server's write timeout ends each.
type Lists struct {
	making         chan struct{}
	fetching, long *Places
}

// NewLists makes a Lists.
func NewLists() *Lists {
	return &Lists{
		making:   make(chan struct{}, listsMade),
		fetching: NewPlaces(listsFetched, listsWaiting, listPatience),
		long:     NewPlaces(longLists, listsWaiting, listPatience),
	}
}

// Parts collects the next part of an answer.
type Parts struct {
	B    []byte   // append to it
	done [][]byte // what comes before B
	sent int      // in parts before
}

// Value appends a value that does not change. A long one is not copied.
func (p *Parts) Value(v []byte) {
	if len(v) <= partBytes {
		p.B = append(p.B, v...)
		return
	}
	p.done = append(p.done, p.B, v)
	p.B = nil
}

// Write implements io.Writer.
func (p *Parts) Write(b []byte) (int, error) {
	p.B = append(p.B, b...)
	return len(b), nil
}

// JSON appends v, whose kinds JSON has all.
func (p *Parts) JSON(v any) {
	if err := json.NewEncoder(p).Encode(v); err != nil {
		panic(err)
	}
	p.B = p.B[:len(p.B)-1] // the line's end
}

// Size is the length of the answer so far.
func (p *Parts) Size() int { return p.sent + p.held() }

func (p *Parts) held() (n int) {
	for _, part := range p.done {
		n += len(part)
	}
	return n + len(p.B)
}

// Write answers with what next adds in each of its calls, until it reports
// false. Prepare makes next; it may answer otherwise itself, and return nil.
// The first calls of next are made at once; the later ones after the handler
// has returned, so it must not use ctx. Neither may block.
func (l *Lists) Write(ctx *fasthttp.RequestCtx, prepare func() (next func(*Parts) (more bool))) {
	l.making <- struct{}{} // soon free: whoever has a place waits for nobody
	l.write(ctx, begin(prepare, func() { <-l.making }))
}

// Fetch is Write for a list that comes from elsewhere: prepare may block.
func (l *Lists) Fetch(ctx *fasthttp.RequestCtx, prepare func() (next func(*Parts) (more bool))) {
	if !l.fetching.Take() {
		busy(ctx)
		return
	}
	l.write(ctx, begin(prepare, l.fetching.Leave))
}

// begin makes the first part of an answer, nil when there is another answer,
// and leaves the place that the caller has taken for that.
func begin(prepare func() func(*Parts) bool, leave func()) *list {
	defer leave()
	next := prepare()
	if next == nil {
		return nil
	}
	begun := &list{next: next, parts: Parts{B: make([]byte, 0, partBytes)}}
	begun.fill(wholeListBytes)
	return begun
}

func (l *Lists) write(ctx *fasthttp.RequestCtx, begun *list) {
	switch {
	case begun == nil:
	case begun.next == nil && begun.parts.held() <= wholeListBytes:
		ctx.Response.SwapBody(append(slices.Concat(begun.parts.done...), begun.parts.B...))
	case !ctx.Request.Header.IsHTTP11() && !ctx.IsHead():
		BadRequest(CodeBadRequest, fmt.Sprintf("a list longer than %d KiB needs HTTP/1.1; ask for fewer with limit", wholeListBytes>>10)).Write(ctx)
	case !l.long.Take():
		busy(ctx)
	default:
		begun.leave = sync.OnceFunc(l.long.Leave)
		ctx.Response.SetBodyStream(begun, -1)
	}
}

func busy(ctx *fasthttp.RequestCtx) {
	ctx.Response.Header.Del(HeaderNextCursor)
	ctx.Response.Header.Set("Retry-After", "1")
	WriteError(ctx, fasthttp.StatusServiceUnavailable, CodeListsBusy, "too many long lists are being read at once; ask for fewer with limit, or again later")
}

// list is an answer under way.
type list struct {
	parts Parts
	next  func(*Parts) bool // nil at the end
	leave func()
}

// fill has at least n bytes ready, or all that are left.
func (l *list) fill(n int) {
	for l.next != nil && l.parts.held() < n {
		if !l.next(&l.parts) {
			l.next = nil
		}
	}
}

// WriteTo implements io.WriterTo, and is what writes the answer.
func (l *list) WriteTo(w io.Writer) (written int64, err error) {
	parts := &l.parts
	for {
		for _, part := range append(parts.done, parts.B) {
			if len(part) == 0 {
				continue
			}
			n, err := w.Write(part)
			written += int64(n)
			if err != nil {
				return written, err
			}
		}
		*parts = Parts{B: parts.B[:0], sent: parts.Size()}
		if l.fill(wholeListBytes); parts.held() == 0 {
			return written, nil
		}
	}
}

// SupportsBodyWriteTo implements fasthttp.BodyWriterTo.
func (l *list) SupportsBodyWriteTo() bool { return true }

// Read implements io.Reader, in name only.
func (l *list) Read([]byte) (int, error) { return 0, errors.ErrUnsupported }

// Close implements io.Closer.
func (l *list) Close() error {
	l.parts, l.next = Parts{}, nil
	l.leave()
	return nil
}
