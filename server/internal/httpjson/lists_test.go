package httpjson

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"
	"pgregory.net/rapid"
)

// answered is what a client gets of a response, which ends with that.
func answered(t interface{ Fatal(...any) }, ctx *fasthttp.RequestCtx) (*http.Response, []byte) {
	var wire bytes.Buffer
	w := bufio.NewWriter(&wire)
	if err := ctx.Response.Write(w); err != nil {
		t.Fatal(err)
	}
	_ = w.Flush()
	ctx.Response.Reset()
	res, err := http.ReadResponse(bufio.NewReader(&wire), nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, body
}

// Whatever the sizes of the parts, the answer is all of them in order, and
// Size counts them; no place stays taken.
func TestListsWriteAllParts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lists := NewLists()
		var want []byte
		left := rapid.IntRange(0, 60).Draw(t, "parts")
		var ctx fasthttp.RequestCtx
		lists.Write(&ctx, func() func(*Parts) bool {
			return func(p *Parts) bool {
				if p.Size() != len(want) {
					t.Fatalf("size %d after %d bytes", p.Size(), len(want))
				}
				if left == 0 {
					return false
				}
				left--
				part := bytes.Repeat([]byte{byte('a' + left%26)}, rapid.SampledFrom([]int{0, 1, 300, partBytes, partBytes + 1, 20_000}).Draw(t, "size"))
				if rapid.Bool().Draw(t, "by reference") {
					p.Value(part)
				} else {
					p.B = append(p.B, part...)
				}
				want = append(want, part...)
				return true
			}
		})
		res, body := answered(t, &ctx)
		if res.StatusCode != 200 || !bytes.Equal(body, want) {
			t.Fatalf("%d, %d bytes, want %d", res.StatusCode, len(body), len(want))
		}
		if whole := len(want) <= wholeListBytes; whole != (res.ContentLength >= 0) && len(want) != wholeListBytes {
			t.Fatalf("%d bytes, content length %d", len(want), res.ContentLength)
		}
		if len(lists.long.taken)+len(lists.making) != 0 {
			t.Fatal("a place is still taken")
		}
	})
}

// endless never ends.
func endless() func(*Parts) bool {
	return func(p *Parts) bool {
		p.B = append(p.B, "0123456789abcdef"...)
		return true
	}
}

// As many long answers as there are places are under way at once; the next
// caller is refused, short answers are not, and a place is free again when its
// answer ends, read or not.
func TestLongListsAreBoundedInNumber(t *testing.T) {
	lists := NewLists()
	under := make([]fasthttp.RequestCtx, longLists)
	for i := range under {
		lists.Write(&under[i], endless)
		if !under[i].Response.IsBodyStream() {
			t.Fatalf("answer %d is not streamed", i)
		}
	}
	var refused, short fasthttp.RequestCtx
	lists.Write(&short, func() func(*Parts) bool { return func(p *Parts) bool { p.B = append(p.B, "[]"...); return false } })
	if _, body := answered(t, &short); string(body) != "[]" {
		t.Errorf("a short list beside long ones: %s", body)
	}
	lists.Write(&refused, endless)
	if res, body := answered(t, &refused); res.StatusCode != 503 || !strings.Contains(string(body), CodeListsBusy) || res.Header.Get("Retry-After") == "" {
		t.Errorf("%d %s", res.StatusCode, body)
	}
	_ = under[0].Response.CloseBodyStream()
	under[1].Response.Reset()
	for range 2 {
		lists.Write(&refused, endless)
		if !refused.Response.IsBodyStream() {
			t.Error("no place is free after two answers have ended")
		}
		refused = fasthttp.RequestCtx{}
	}
	// Who waits is bounded in number too.
	lists.long.waiting.Store(listsWaiting)
	lists.Write(&refused, endless)
	if refused.Response.StatusCode() != 503 {
		t.Error("a caller waits beside as many as may")
	}
	if n := lists.long.waiting.Load(); n != listsWaiting {
		t.Errorf("%d wait, want %d", n, listsWaiting)
	}
}

// An old client cannot read an answer without a length.
func TestLongListsNeedHTTP11(t *testing.T) {
	lists := NewLists()
	var ctx fasthttp.RequestCtx
	ctx.Request.Header.SetProtocol("HTTP/1.0")
	lists.Write(&ctx, endless)
	if res, body := answered(t, &ctx); res.StatusCode != 400 || !strings.Contains(string(body), "limit") {
		t.Errorf("%d %s", res.StatusCode, body)
	}
	if len(lists.long.taken) != 0 {
		t.Error("a place is taken")
	}
}

// A handler that panics, or answers otherwise, leaves nothing taken.
func TestListsSurviveTheirMakers(t *testing.T) {
	lists := NewLists()
	for range 2 * listsMade {
		func() {
			defer func() { _ = recover() }()
			lists.Write(&fasthttp.RequestCtx{}, func() func(*Parts) bool { panic("no") })
		}()
		var ctx fasthttp.RequestCtx
		lists.Write(&ctx, func() func(*Parts) bool {
			WriteError(&ctx, 404, "NOT_FOUND", "none")
			return nil
		})
		if ctx.Response.StatusCode() != 404 {
			t.Fatal(ctx.Response.StatusCode())
		}
	}
}

// While it is read, an answer holds one part at a time.
func TestLongListsHoldOnePart(t *testing.T) {
	lists := NewLists()
	var ctx fasthttp.RequestCtx
	entry, n := bytes.Repeat([]byte("x"), 1000), 0
	lists.Write(&ctx, func() func(*Parts) bool {
		return func(p *Parts) bool {
			p.B = append(p.B, entry...)
			n++
			return n < 50_000
		}
	})
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	got, err := ctx.Response.BodyStream().(io.WriterTo).WriteTo(io.Discard)
	runtime.ReadMemStats(&after)
	if err != nil || got != 50_000_000 {
		t.Fatal(got, err)
	}
	if made := after.TotalAlloc - before.TotalAlloc; made > 1<<20 {
		t.Errorf("%d bytes were allocated for %d", made, got)
	}
	_ = ctx.Response.CloseBodyStream()
}
