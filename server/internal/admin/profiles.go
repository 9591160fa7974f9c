package admin

import (
	"fmt"
	"io"
	"runtime/pprof"
	"runtime/trace"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"simplane/server/internal/httpjson"
)

// Bounds of a profile. Collecting holds it in memory: the runtime writes a
// trace as it happens, and would keep without end what a slow reader has not
// taken.
const (
	maxProfileBytes = 32 << 20
	maxTraceBytes   = 16 << 20 // at which a trace ends early; the runtime adds what it still has
	maxCPUSeconds   = 60
	maxTraceSeconds = 10
)

// Profiles serves the runtime's profiles at /debug/pprof, in the formats of
// net/http/pprof. It leaves out the command line, which may hold tokens, and
// answers one request at a time, from the collection to the last byte sent.
type Profiles struct {
	free   chan struct{}
	closed chan struct{}
	once   sync.Once
}

// NewProfiles makes a Profiles.
func NewProfiles() *Profiles {
	p := &Profiles{free: make(chan struct{}, 1), closed: make(chan struct{})}
	p.free <- struct{}{}
	return p
}

// Close ends the collection of a profile early.
func (p *Profiles) Close() { p.once.Do(func() { close(p.closed) }) }

// Serve answers with the profile that the path names. profile (CPU) and trace
// take seconds; the others are of this moment, as text with debug=1 or 2.
func (p *Profiles) Serve(ctx *fasthttp.RequestCtx) {
	name := strings.TrimPrefix(string(ctx.Path()), "/debug/pprof/")
	timed := map[string]struct{ usual, most int }{"profile": {30, maxCPUSeconds}, "trace": {1, maxTraceSeconds}}[name]
	if name == "" {
		ctx.SetContentType("text/plain; charset=utf-8")
		ctx.SetBodyString(profileIndex())
		return
	}
	if timed.most == 0 && pprof.Lookup(name) == nil {
		httpjson.WriteError(ctx, fasthttp.StatusNotFound, "NOT_FOUND", "no such profile: "+httpjson.Clip([]byte(name), 100)+"; /debug/pprof/ lists them")
		return
	}
	seconds, err := numberParameter(ctx, "seconds", timed.usual, min(timed.most, 1), timed.most)
	debug, err2 := numberParameter(ctx, "debug", 0, 0, 2)
	if err == nil {
		err = err2
	}
	if err != nil {
		httpjson.WriteError(ctx, fasthttp.StatusBadRequest, httpjson.CodeBadRequest, err.Error())
		return
	}
	select {
	case <-p.free:
	default:
		ctx.Response.Header.Set("Retry-After", "5")
		httpjson.WriteError(ctx, fasthttp.StatusTooManyRequests, "PROFILE_BUSY", "another profile is being collected or sent; one at a time")
		return
	}
	b := &profileBuffer{full: make(chan struct{}), release: sync.OnceFunc(func() { p.free <- struct{}{} })}
	sent := false
	defer func() {
		if !sent {
			b.release()
		}
	}()
	switch err := b.collect(p.closed, name, time.Duration(seconds)*time.Second, debug); {
	case err != nil:
		httpjson.WriteError(ctx, fasthttp.StatusServiceUnavailable, "PROFILE_UNAVAILABLE", err.Error())
	case b.size > maxProfileBytes:
		httpjson.WriteError(ctx, fasthttp.StatusServiceUnavailable, "PROFILE_TOO_LARGE", fmt.Sprintf("the profile is larger than %d MiB", maxProfileBytes>>20))
	default:
		ctx.SetContentType("application/octet-stream")
		if debug > 0 {
			ctx.SetContentType("text/plain; charset=utf-8")
		}
		ctx.Response.Header.Set("X-Content-Type-Options", "nosniff")
		ctx.Response.SetBodyStream(b, b.size) // closed when it is sent or cannot be
		sent = true
	}
}

func profileIndex() string {
	var b strings.Builder
	fmt.Fprintf(&b, "profile?seconds=30  CPU, up to %d s\ntrace?seconds=1  execution trace, up to %d s or %d MiB\n", maxCPUSeconds, maxTraceSeconds, maxTraceBytes>>20)
	for _, p := range pprof.Profiles() {
		fmt.Fprintf(&b, "%s  %d\n", p.Name(), p.Count())
	}
	return b.String()
}

func numberParameter(ctx *fasthttp.RequestCtx, name string, usual, least, most int) (int, error) {
	raw := ctx.QueryArgs().Peek(name)
	if len(raw) == 0 {
		return usual, nil
	}
	n, err := strconv.Atoi(string(raw))
	switch {
	case most == 0:
		return 0, fmt.Errorf("%s is for profile and trace only", name)
	case err != nil || n < least || n > most:
		return 0, fmt.Errorf("%s: must be a whole number from %d to %d, not %q", name, least, most, httpjson.Clip(raw, 20))
	}
	return n, nil
}

// profileBuffer is a profile in memory: written first, then read, then closed.
// It is not for concurrent use.
type profileBuffer struct {
	parts   [][]byte
	size    int // of all that was written, kept or not
	full    chan struct{}
	isFull  bool
	release func()
}

// collect writes a profile. Those that take time end early when closed is, a
// trace also when it has got large.
func (b *profileBuffer) collect(closed <-chan struct{}, name string, length time.Duration, debug int) error {
	switch name {
	case "profile":
		if err := pprof.StartCPUProfile(b); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	case "trace":
		if err := trace.Start(b); err != nil {
			return err
		}
		defer trace.Stop()
	default:
		return pprof.Lookup(name).WriteTo(b, debug)
	}
	end := time.NewTimer(length)
	defer end.Stop()
	select {
	case <-end.C:
	case <-b.full:
	case <-closed:
	}
	return nil
}

// Write keeps p unless the profile is too large already.
func (b *profileBuffer) Write(p []byte) (int, error) {
	b.size += len(p)
	for rest := p; len(rest) > 0 && b.size <= maxProfileBytes; {
		last := len(b.parts) - 1
		if last < 0 || len(b.parts[last]) == cap(b.parts[last]) {
			b.parts = append(b.parts, make([]byte, 0, 64<<10))
			continue
		}
		n := min(len(rest), cap(b.parts[last])-len(b.parts[last]))
		b.parts[last], rest = append(b.parts[last], rest[:n]...), rest[n:]
	}
	if b.size > maxTraceBytes && !b.isFull {
		b.isFull = true
		close(b.full)
	}
	return len(p), nil
}

// Read returns what was written, and forgets it.
func (b *profileBuffer) Read(p []byte) (int, error) {
	if len(b.parts) == 0 {
		return 0, io.EOF
	}
	n := copy(p, b.parts[0])
	if b.parts[0] = b.parts[0][n:]; len(b.parts[0]) == 0 {
		b.parts = b.parts[1:]
	}
	return n, nil
}

// Close lets the next profile be collected.
func (b *profileBuffer) Close() error {
	b.parts = nil
	b.release()
	return nil
}
