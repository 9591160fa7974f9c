package dispatch

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/valyala/fasthttp"

	"simplane/core"
	"simplane/server/funcspec"
	"simplane/server/harness/rawpeer"
	"simplane/server/internal/fncall"
	"simplane/server/provider"
)

// badOutput stands for the code of an answer that is no output: POOL_ERROR at
// an endpoint that somebody else runs, FUNCTION_BAD_OUTPUT of an instance.
const badOutput = "bad output"

const answerLimit = 64 << 10 // bytes

func ok(headers, body string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n%s", headers, len(body), body)
}

func typed(contentType, body string) string { return ok("Content-Type: "+contentType+"\r\n", body) }

func packed(coding, body string) string {
	var z []byte
	switch coding {
	case "gzip", "GZip", "x-gzip":
		z = fasthttp.AppendGzipBytes(nil, []byte(body))
	case "deflate":
		z = fasthttp.AppendDeflateBytes(nil, []byte(body))
	case "br":
		z = fasthttp.AppendBrotliBytes(nil, []byte(body))
	case "zstd":
		z = fasthttp.AppendZstdBytes(nil, []byte(body))
	default:
		z = []byte(body)
	}
	return ok("Content-Type: application/json\r\nContent-Encoding: "+coding+"\r\n", string(z))
}

func bomb() string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	fmt.Fprint(z, `"`+strings.Repeat("x", 2*answerLimit)+`"`)
	_ = z.Close()
	return ok("Content-Type: application/json\r\nContent-Encoding: gzip\r\n", b.String())
}

// oddAnswers are what functions answer with, byte for byte, and what becomes of
// it whatever carries it.
var oddAnswers = []struct {
	name, raw string
	output    string
	code      string
	cold      bool
	init      time.Duration
	says      string // within the message of an error
}{
	{name: "json", raw: typed("application/json; charset=utf-8", `{"a":1}`), output: `{"a":1}`},
	{name: "json with blanks around", raw: typed("application/json", "\n[1]\r\n"), output: `[1]`},
	{name: "json with a name twice", raw: typed("application/json", `{"a":1,"a":2}`), output: `{"a":1,"a":2}`},
	{name: "half a surrogate pair", raw: typed("application/json", `"\ud800"`), output: `"\ud800"`},
	{name: "json without a type", raw: ok("", `[1]`), output: `[1]`},
	{name: "json of another type", raw: typed("application/octet-stream", `[2]`), output: `[2]`},
	{name: "json with a byte order mark", raw: typed("application/json", "\uFEFF[1]"), output: `[1]`},
	{name: "json in Latin-1, declared", raw: typed("application/json; charset=ISO-8859-1", "\"caf\xe9\""), output: `"café"`},
	{name: "json in UTF-16, declared", raw: typed("application/json; charset=utf-16", "\xff\xfe\"\x00\xe9\x00\"\x00"), output: `"é"`},
	{name: "json in Latin-1, undeclared", raw: typed("application/json", "\"caf\xe9\""), code: badOutput},
	{name: "empty", raw: typed("application/json", ""), output: `null`},
	{name: "blank", raw: typed("application/json", "\r\n"), output: `null`},
	{name: "cut json", raw: typed("application/json", `{"a":`), code: badOutput},
	{name: "two values", raw: typed("application/json", `1 2`), code: badOutput},
	{name: "not json, without a type", raw: ok("", `hello`), code: badOutput},
	{name: "too large", raw: typed("application/json", `"`+strings.Repeat("x", answerLimit)+`"`), code: badOutput},

	{name: "text", raw: typed("text/plain", "a \"b\"\n"), output: `"a \"b\"\n"`},
	{name: "text like json", raw: typed("Text/Plain", `{"a":1}`), output: `"{\"a\":1}"`},
	{name: "empty text", raw: typed("text/plain", ""), output: `""`},
	{name: "html", raw: typed("text/html", "<p>"), output: `"<p>"`},
	{name: "text in UTF-8", raw: typed(`text/plain; charset="UTF-8"`, "héllo"), output: `"héllo"`},
	{name: "text in Latin-1", raw: typed("text/plain; charset=latin1", "caf\xe9"), output: `"café"`},
	{name: "text in Windows-1252", raw: typed("text/csv;header=present; charset=windows-1252", "\x80"), output: `"€"`},
	{name: "text in Shift JIS", raw: typed("text/plain; charset=Shift_JIS", "\x93\xfa"), output: `"日"`},
	{name: "text in GBK", raw: typed("text/plain; charset=gb2312", "\xc8\xd5"), output: `"日"`},
	{name: "text in UTF-16", raw: typed("text/plain; charset=utf-16be", "\x65\xe5"), output: `"日"`},
	{name: "text not of its charset", raw: typed("text/plain; charset=Shift_JIS", "a\xff"), output: `"a` + "\uFFFD" + `"`},
	{name: "text of an unknown charset", raw: typed("text/plain; charset=klingon", "a\xff"), output: `"a` + "\uFFFD" + `"`},
	{name: "text that is none", raw: typed("text/plain", "a\xff\xfe"), output: `"a` + "\uFFFD\uFFFD" + `"`},
	{name: "text of a broken type", raw: typed("text/plain; =;;", "a"), output: `"a"`},

	{name: "gzip", raw: packed("gzip", `[1]`), output: `[1]`},
	{name: "gzip in odd case", raw: packed("GZip", `[1]`), output: `[1]`},
	{name: "gzip by its old name", raw: packed("x-gzip", `[1]`), output: `[1]`},
	{name: "deflate", raw: packed("deflate", `[1]`), output: `[1]`},
	{name: "brotli", raw: packed("br", `[1]`), output: `[1]`},
	{name: "zstd", raw: packed("zstd", `[1]`), output: `[1]`},
	{name: "identity", raw: packed("identity", `[1]`), output: `[1]`},
	{name: "unknown coding", raw: packed("rot13", `[1]`), code: badOutput},
	{name: "gzip that is none", raw: ok("Content-Encoding: gzip\r\n", `[1]`), code: badOutput},
	{name: "gzip of nothing", raw: ok("Content-Encoding: gzip\r\n", ``), output: `null`},
	{name: "too large when unpacked", raw: bomb(), code: badOutput},

	{name: "201", raw: "HTTP/1.1 201 Created\r\nContent-Length: 1\r\n\r\n1", output: `1`},
	{name: "204", raw: "HTTP/1.1 204 No Content\r\nX-Cold-Start: true\r\n\r\n", output: `null`, cold: true},
	{name: "302", raw: "HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 1\r\n\r\n1", code: provider.CodeError},
	{name: "304", raw: "HTTP/1.1 304 Not Modified\r\n\r\n", code: provider.CodeError},
	{name: "404", raw: "HTTP/1.1 404 Not Found\r\nContent-Length: 1\r\n\r\n1", code: provider.CodeError},
	{name: "500 that is no text", raw: "HTTP/1.1 500 Oops\r\nContent-Length: 2\r\n\r\n\xff\xfe", code: provider.CodeError},
	{name: "early hints first", raw: "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + ok("", `1`), output: `1`},

	{name: "cold start", raw: ok("X-Cold-Start: TRUE\r\nX-Init-Duration-Ms: 250\r\n", `1`), output: `1`, cold: true, init: 250 * time.Millisecond},
	{name: "cold start, duration unsaid", raw: ok("X-Cold-Start: true\r\nX-Init-Duration-Ms: soon\r\n", `1`), output: `1`, cold: true},
	{name: "warm start", raw: ok("X-Cold-Start: false\r\nX-Init-Duration-Ms: 250\r\n", `1`), output: `1`},

	{name: "blanks around the length", raw: "HTTP/1.1 200 OK\r\nContent-Length: \t 1 \t\r\n\r\n1", output: `1`},
	{name: "no blank before the length", raw: "HTTP/1.1 200 OK\r\nContent-Length:1\r\n\r\n1", output: `1`},
	{name: "zeros before the length", raw: "HTTP/1.1 200 OK\r\nContent-Length: 0001\r\n\r\n1", output: `1`},
	{name: "the same length twice", raw: "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n1", code: provider.CodeError},
	{name: "odd case", raw: "HTTP/1.1 200 OK\r\ncONTENT-tYPE: TEXT/plain\r\nx-cold-START: true\r\ncontent-LENGTH: 1\r\n\r\n1", output: `"1"`, cold: true},
	{name: "no reason", raw: "HTTP/1.1 200 \r\nContent-Length: 1\r\n\r\n1", output: `1`},
	{name: "no reason, nor a blank", raw: "HTTP/1.1 200\r\nContent-Length: 1\r\n\r\n1", output: `1`},
	{name: "chunked", raw: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n[\r\n2\r\n1]\r\n0\r\n\r\n", output: `[1]`},
	{name: "chunked with trailers", raw: "HTTP/1.1 200 OK\r\nTrailer: X-T\r\nTransfer-Encoding: Chunked\r\n\r\n1\r\n1\r\n0\r\nX-T: 1\r\n\r\n", output: `1`},
	{name: "chunked with extensions", raw: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n001;a=\"b\"\r\n1\r\n0;c\r\n\r\n", output: `1`},
	{name: "chunks broken off", raw: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n[1,", code: provider.CodeError},
	{name: "trailers broken off", raw: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n1\r\n0\r\n", code: provider.CodeError},
	{name: "ended by close", raw: "HTTP/1.1 200 OK\r\n\r\n[1]", output: `[1]`},
	{name: "HTTP/1.0", raw: "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n1", output: `"1"`},
	{name: "body broken off", raw: "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n1", code: provider.CodeError},
	{name: "no answer", raw: "", code: provider.CodeError},
	{name: "not HTTP", raw: "ceci n'est pas HTTP\r\n\r\n", code: provider.CodeError},
	{name: "6 KiB of headers", raw: ok("Set-Cookie: a="+strings.Repeat("x", 6<<10)+"\r\n", `1`), output: `1`},
	{name: "63 KiB of headers", raw: ok(strings.Repeat("X-Filler: "+strings.Repeat("x", 1012)+"\r\n", 62), `1`), output: `1`},
	{name: "early hints, then 20 KiB of headers", raw: "HTTP/1.1 103 Early Hints\r\n\r\n" + ok("X-F: "+strings.Repeat("x", 20<<10)+"\r\n", `1`), output: `1`},
	{name: "70 KiB of headers", raw: ok("X-Filler: "+strings.Repeat("x", 70<<10)+"\r\n", `1`), code: provider.CodeError, says: "the head of the answer is larger than 65536 bytes"},
}

func TestOddAnswersMeanTheSameEverywhere(t *testing.T) {
	for _, tc := range oddAnswers {
		t.Run(tc.name, func(t *testing.T) {
			addr := rawpeer.Start(t, func(c net.Conn, r *http.Request, _ int) bool {
				_, _ = io.Copy(io.Discard, r.Body)
				_, _ = io.WriteString(c, tc.raw)
				return false
			})
			for via, call := range map[string]func(string) core.Outcome{"POOL": viaPool(t), "instance": viaInstance} {
				got := call(addr)
				code := tc.code
				if code == badOutput && via == "POOL" {
					code = provider.CodeError
				} else if code == badOutput {
					code = provider.CodeBadOutput
				}
				if string(got.Output) != tc.output || got.Code != code || got.ColdStart != tc.cold || got.Init != tc.init {
					t.Errorf("%s: output %s, code %q (%s), cold %v in %v", via, got.Output, got.Code, got.Message, got.ColdStart, got.Init)
				}
				if (got.Status == core.Success) != (tc.code == "") {
					t.Errorf("%s: status %v", via, got.Status)
				}
				if !utf8.ValidString(got.Message) || !strings.Contains(got.Message, tc.says) {
					t.Errorf("%s: message %q", via, got.Message)
				}
			}
		})
	}
}

// timeout is for calls that are answered or broken off at once.
const timeout = time.Minute

func viaPool(t *testing.T) func(addr string) core.Outcome {
	anywhere, err := NewEgress("")
	if err != nil {
		t.Fatal(err)
	}
	return func(addr string) core.Outcome {
		ended := make(chan core.Outcome, 1)
		d := New(Options{
			Log: slog.New(slog.DiscardHandler), Egress: anywhere, MaxConnections: 1, MaxResponseBytes: answerLimit,
			Hooks: Hooks{Complete: func(_ core.Task, o core.Outcome) { ended <- o }},
		})
		spec := &core.Spec{Name: "fn", Data: &funcspec.Runtime{ExecutionMode: funcspec.ModePool, EndpointURL: "http://" + addr + "/"}}
		d.Dispatch(core.Task{Spec: spec, Input: []byte("1"), Attempt: 1, Timeout: timeout})
		return <-ended
	}
}

func viaInstance(addr string) core.Outcome {
	ended := make(chan provider.Result, 1)
	h := provider.NewHTTPInstance(addr, provider.HTTPOptions{MaxOutputBytes: answerLimit})
	h.Call(provider.Invocation{Input: []byte("1"), Deadline: time.Now().Add(timeout)}, func(r provider.Result) { ended <- r })
	return outcome(<-ended)
}

// What a STDIO function may say in "output" is what an HTTP function may say in
// a body, but for what a line cannot carry.
func TestLinesMeanTheSameAsBodies(t *testing.T) {
	for _, tc := range []struct{ value, output, code string }{
		{`{"a":1}`, `{"a":1}`, ""},
		{` [1] `, `[1]`, ""},
		{`{"a":1,"a":2}`, `{"a":1,"a":2}`, ""},
		{`"\ud800"`, `"\ud800"`, ""},
		{`null`, `null`, ""},
		{"\"caf\xe9\"", "", badOutput},
	} {
		var replies fncall.ReplyReader
		reply, err := replies.Parse([]byte(`{"output":` + tc.value + `}`))
		if err != nil || !reply.IsAnswer() {
			t.Errorf("%s: no answer: %v", tc.value, err)
			continue
		}
		line := outcome(provider.ResultOf(reply.Answer()))
		addr := rawpeer.Start(t, func(c net.Conn, r *http.Request, _ int) bool {
			_, _ = io.Copy(io.Discard, r.Body)
			_, _ = io.WriteString(c, typed("application/json", tc.value))
			return false
		})
		body := viaInstance(addr)
		if string(line.Output) != tc.output || string(body.Output) != tc.output || line.Code != body.Code || (line.Code == "") != (tc.code == "") {
			t.Errorf("%s: a line gives %s %q, a body %s %q", tc.value, line.Output, line.Code, body.Output, body.Code)
		}
	}
}
