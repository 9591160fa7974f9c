package server

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"simplane/server/internal/httpjson"
)

// talk writes raw bytes to the API port and reads one answer while it is still
// sending. The answer must be an error in JSON unless it is a success.
func (f *fixture) talk(request io.Reader) (*answer, *bufio.Reader, net.Conn) {
	f.t.Helper()
	c, err := net.Dial("tcp", f.s.Addr())
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(hangGuard))
	go func() { _, _ = io.Copy(c, request) }()
	r := bufio.NewReader(c)
	a, err := f.readAnswer(r)
	if err != nil {
		f.t.Fatalf("no answer: %v", err)
	}
	return a, r, c
}

func (f *fixture) readAnswer(r *bufio.Reader) (*answer, error) {
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	a := &answer{t: f.t, what: "raw request", status: resp.StatusCode, header: resp.Header, body: body}
	if a.status >= 400 {
		if got := a.header.Get("Content-Type"); got != "application/json" {
			f.t.Errorf("status %d: Content-Type %q, body %q", a.status, got, httpjson.Clip(body, 200))
		}
		if err := validate("/components/schemas/Error", body); err != nil {
			f.t.Errorf("status %d: %s: %v", a.status, httpjson.Clip(body, 200), err)
		}
	}
	return a, nil
}

const post = "POST /v1/functions/fn:invoke HTTP/1.1\r\nHost: x\r\n"

func TestBadRequestsOverRawSockets(t *testing.T) {
	f := start(t)
	f.register("fn", "LOCAL")
	body := func(s string) string { return fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", post, len(s), s) }
	for name, tc := range map[string]struct {
		request string
		status  int
	}{
		"garbage":                {"hello\r\n\r\n", 400},
		"empty line and garbage": {"\r\n\r\n\x00\x01\x02\r\n\r\n", 400},
		"TLS hello":              {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + strings.Repeat("\x00", 64) + "\r\n\r\n", 400},
		"no version":             {"GET /actuator/health\r\n\r\n", 400},
		"no path":                {"GET  HTTP/1.1\r\nHost: x\r\n\r\n", 400},
		"no colon":               {"GET /actuator/health HTTP/1.1\r\nHost: x\r\nnonsense\r\n\r\n", 400},
		"space before colon":     {"GET /actuator/health HTTP/1.1\r\nHost : x\r\n\r\n", 400},
		"NUL in a header":        {"GET /actuator/health HTTP/1.1\r\nHost: x\r\nX-A: a\x00b\r\n\r\n", 400},
		"newline in a name":      {"GET /actuator/health HTTP/1.1\r\nHost: x\r\nX\x01A: b\r\n\r\n", 400},

		"folded line":             {"GET /actuator/health HTTP/1.1\r\nHost: x\r\nX-A: b\r\n c\r\n\r\n", 400},
		"folded with a tab":       {"GET /actuator/health HTTP/1.1\r\nHost: x\r\nX-A: b\r\n\tc: d\r\n\r\n", 400},
		"folded first line":       {"GET /actuator/health HTTP/1.1\r\n Host: x\r\n\r\n", 400},
		"folded empty line":       {"GET /actuator/health HTTP/1.1\r\nHost: x\r\n \r\n\r\n", 400},
		"bare LF":                 {"GET /actuator/health HTTP/1.1\nHost: x\n\n", 400},
		"bare LF in a head":       {"GET /actuator/health HTTP/1.1\r\nHost: x\nX-A: b\r\n\r\n", 400},
		"bare LF at its end":      {"GET /actuator/health HTTP/1.1\r\nHost: x\r\n\n", 400},
		"bare LF before it":       {"\nGET /actuator/health HTTP/1.1\r\nHost: x\r\n\r\n", 400},
		"bare CR in a value":      {"GET /actuator/health HTTP/1.1\r\nHost: x\r\nX-A: b\rX-B: c\r\n\r\n", 400},
		"two CRs":                 {"GET /actuator/health HTTP/1.1\r\nHost: x\r\r\n\r\n", 400},
		"bare CR in the first":    {"GET /actuator/health\r HTTP/1.1\r\nHost: x\r\n\r\n", 400},
		"DEL in a header":         {"GET /actuator/health HTTP/1.1\r\nHost: x\r\nX-A: a\x7fb\r\n\r\n", 400},
		"tab before colon":        {"GET /actuator/health HTTP/1.1\r\nHost\t: x\r\n\r\n", 400},
		"blank in a name":         {"GET /actuator/health HTTP/1.1\r\nHost: x\r\nX A: b\r\n\r\n", 400},
		"no name":                 {"GET /actuator/health HTTP/1.1\r\nHost: x\r\n: b\r\n\r\n", 400},
		"no host":                 {"GET /actuator/health HTTP/1.1\r\n\r\n", 400},
		"two hosts":               {"GET /actuator/health HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", 400},
		"blank in the host":       {"GET /actuator/health HTTP/1.1\r\nHost: x y\r\n\r\n", 400},
		"path in the host":        {"GET /actuator/health HTTP/1.1\r\nHost: x/y\r\n\r\n", 400},
		"blank in the target":     {"GET /actuator/health x HTTP/1.1\r\nHost: x\r\n\r\n", 400},
		"tab in the target":       {"GET /actuator/health\tx HTTP/1.1\r\nHost: x\r\n\r\n", 400},
		"two blanks":              {"GET /actuator/health  HTTP/1.1\r\nHost: x\r\n\r\n", 400},
		"blank before the method": {" GET /actuator/health HTTP/1.1\r\nHost: x\r\n\r\n", 400},
		"HTTP/2":                  {"GET /actuator/health HTTP/2.0\r\nHost: x\r\n\r\n", 505},
		"HTTP/2 preface":          {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400},
		"65 headers":              {"GET /actuator/health HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("a:\r\n", 64) + "\r\n", 431},

		"length is no number":   {post + "Content-Length: abc\r\n\r\n{}", 400},
		"length is negative":    {post + "Content-Length: -1\r\n\r\n{}", 400},
		"length has a sign":     {post + "Content-Length: +2\r\n\r\n{}", 400},
		"length is absurd":      {post + "Content-Length: 99999999999999999999999\r\n\r\n{}", 400},
		"two lengths":           {post + "Content-Length: 2\r\nContent-Length: 11\r\n\r\n{\"input\":1}", 400},
		"two equal lengths":     {post + "Content-Length: 11\r\nContent-Length: 11\r\n\r\n{\"input\":1}", 400},
		"a list of lengths":     {post + "Content-Length: 11, 11\r\n\r\n{\"input\":1}", 400},
		"an empty length":       {post + "Content-Length:\r\n\r\n{\"input\":1}", 400},
		"a hexadecimal length":  {post + "Content-Length: 0xb\r\n\r\n{\"input\":1}", 400},
		"encoding identity":     {post + "Transfer-Encoding: identity\r\n\r\n{\"input\":1}", 400},
		"two encodings":         {post + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400},
		"an empty encoding":     {post + "Transfer-Encoding:\r\n\r\n0\r\n\r\n", 400},
		"encoding in HTTP/1.0":  {strings.Replace(post, "/1.1", "/1.0", 1) + "Transfer-Encoding: chunked\r\n\r\nb\r\n{\"input\":1}\r\n0\r\n\r\n", 400},
		"chunk lines end in LF": {post + "Transfer-Encoding: chunked\r\n\r\nb\n{\"input\":1}\n0\n\n", 400},
		"chunk size has a sign": {post + "Transfer-Encoding: chunked\r\n\r\n+b\r\n{\"input\":1}\r\n0\r\n\r\n", 400},
		"chunk size has 0x":     {post + "Transfer-Encoding: chunked\r\n\r\n0xb\r\n{\"input\":1}\r\n0\r\n\r\n", 400},
		"chunk extension long":  {post + "Transfer-Encoding: chunked\r\n\r\nb;" + strings.Repeat("x", 1<<20) + "\r\n{\"input\":1}\r\n0\r\n\r\n", 400},
		"trailers without end":  {post + "Transfer-Encoding: chunked\r\n\r\nb\r\n{\"input\":1}\r\n0\r\n" + strings.Repeat("X-Many: 1\r\n", 100_000) + "\r\n", 431},
		"unknown encoding":      {post + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400},
		"chunked twice":         {post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
		"chunk size is no hex":  {post + "Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n", 400},
		"chunk size negative":   {post + "Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n", 400},
		"chunk too long":        {post + "Transfer-Encoding: chunked\r\n\r\n2\r\n{\"input\":1}\r\n0\r\n\r\n", 400},
		"chunk size overflows":  {post + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n{}\r\n0\r\n\r\n", 400},

		"a header too long":          {"GET /actuator/health HTTP/1.1\r\nHost: x\r\nX-Long: " + strings.Repeat("a", 1<<20) + "\r\n\r\n", 431},
		"1e5 headers":                {"GET /actuator/health HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("X-Many: 1\r\n", 100_000) + "\r\n", 431},
		"a path too long":            {"GET /" + strings.Repeat("a", 1<<20) + " HTTP/1.1\r\nHost: x\r\n\r\n", 431},
		"a request line with no end": {strings.Repeat("G", 1<<20), 431},

		"nesting of arrays":  {body(`{"input":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + "}"), 400},
		"nesting of objects": {body(`{"input":` + strings.Repeat(`{"a":`, 100_000) + "1" + strings.Repeat("}", 100_000) + "}"), 400},
		"nesting beside":     {body(`{"input":1,"ignored":` + strings.Repeat("[", 100_000) + "}"), 400},
		"nesting of a spec":  {strings.Replace(body(`{"scalingConfig":`+strings.Repeat("[", 100_000)+"}"), "/fn:invoke", "", 1), 400},
		"invalid UTF-8":      {body("{\"input\":\"\xc3\x28\"}"), 400},
		"invalid UTF-8 name": {strings.Replace(body(`{"input":1}`), "/fn:", "/\xff\xfe:", 1), 404},
	} {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			f := *f
			f.t = t
			a, _, _ := f.talk(strings.NewReader(tc.request))
			a.expect(tc.status)
			f.invoke("fn", `1`).expect(200) // and serves on
		})
	}
}

// The refusal arrives at a client that has not finished sending, instead of a
// connection reset.
func TestBodyTooLarge(t *testing.T) {
	f := start(t)
	f.register("fn", "LOCAL")
	const size = 10 << 20
	chunks := strings.Repeat("10000\r\n"+strings.Repeat("x", 1<<16)+"\r\n", size>>16)
	for name, request := range map[string]string{
		"by length": fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", post, size, strings.Repeat("x", size)),
		"chunked":   post + "Transfer-Encoding: chunked\r\n\r\n" + chunks + "0\r\n\r\n",
		"announced": fmt.Sprintf("%sContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", post, size),
	} {
		a, _, c := f.talk(strings.NewReader(request))
		c.Close()
		if a.status != 413 || a.str("error") != "BODY_TOO_LARGE" {
			t.Errorf("%s: %d %s", name, a.status, httpjson.Clip(a.body, 200))
		}
	}
	big := `{"input":"` + strings.Repeat("x", size) + `"}`
	for _, path := range []string{"/v1/functions/fn:invoke", "/v1/functions/fn:enqueue", "/v1/functions", "/v1/functions/none:invoke"} {
		f.post(path, big).refused(413, "BODY_TOO_LARGE")
	}
	if n := f.s.only.core.Gauges().PayloadBytes; n != 0 {
		t.Errorf("%d bytes are kept", n)
	}
	// A body of exactly the limit is taken.
	limit := 4<<20 - len(`{"input":""}`)
	f.invoke("fn", `"`+strings.Repeat("x", limit)+`"`).expect(200)
	f.invoke("fn", `"`+strings.Repeat("x", limit+1)+`"`).refused(413, "BODY_TOO_LARGE")
}

func TestExpectContinue(t *testing.T) {
	f := start(t)
	f.register("fn", "LOCAL")
	a, r, c := f.talk(strings.NewReader(post + "Content-Length: 11\r\nExpect: 100-continue\r\n\r\n"))
	a.expect(100)
	fmt.Fprint(c, `{"input":1}`)
	a, err := f.readAnswer(r)
	if err != nil {
		t.Fatal(err)
	}
	a.expect(200)
}

// A refusal that the head alone decides comes without a request for the body.
func TestRefusedBeforeTheBody(t *testing.T) {
	f := start(t)
	f.register("fn", "LOCAL")
	off := start(t, func(cfg *Config) { cfg.AsyncEnabled = false })
	off.register("fn", "LOCAL")
	for _, c := range []struct {
		at         *fixture
		line, head string
		status     int
	}{
		{f, "POST /v1/functions/none:invoke", "", 404},
		{f, "POST /v1/functions/none:enqueue", "", 404},
		{f, "POST /function/none", "", 404},
		{f, "POST /v1/functions/fn:invoke", "X-Timeout-Ms: soon\r\n", 400},
		{f, "POST /v1/functions/fn:enqueue", "X-Timeout-Ms: soon\r\n", 400},
		{f, "POST /function/fn", "X-Timeout-Ms: soon\r\n", 400},
		{off, "POST /v1/functions/fn:enqueue", "", 501},
	} {
		caller := c.at.caller()
		caller.say("%s HTTP/1.1\r\nHost: 127.0.0.1\r\n%sExpect: 100-continue\r\nContent-Length: 11\r\n\r\n", c.line, c.head)
		if resp, body := caller.response("POST"); resp.StatusCode != c.status || !resp.Close {
			t.Errorf("%s %s: %d %s, close %v", c.line, c.head, resp.StatusCode, body, resp.Close)
		}
	}
}

func TestTruncatedBody(t *testing.T) {
	f := start(t)
	f.register("fn", "LOCAL")
	for _, request := range []string{
		post + "Content-Length: 100\r\n\r\n{\"input\":1}",
		post + "Transfer-Encoding: chunked\r\n\r\nb\r\n{\"inp",
	} {
		c, err := net.Dial("tcp", f.s.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(hangGuard))
		fmt.Fprint(c, request)
		_ = c.(*net.TCPConn).CloseWrite()
		// Nobody may be left to read an answer, but it must be no success.
		if a, err := f.readAnswer(bufio.NewReader(c)); err == nil {
			a.expect(400)
		}
	}
	if n := f.s.only.core.Gauges().StoredExecutions; n != 0 {
		t.Errorf("%d executions of truncated requests", n)
	}
}

// A refused request's remaining bytes must not be taken for a next request.
func TestNoRequestIsSmuggled(t *testing.T) {
	f := start(t)
	f.register("fn", "LOCAL")
	const hidden = "DELETE /v1/functions/fn HTTP/1.1\r\nHost: x\r\n\r\n"
	for _, request := range []string{
		fmt.Sprintf("%sContent-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n%s", post, 5+len(hidden), hidden),
		post + "Content-Length: 0\r\nContent-Length: 44\r\n\r\n" + hidden,
		post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + hidden,
		post + "Transfer-Encoding : chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + hidden,
		post + "Transfer-Encoding:\x0bchunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + hidden,
	} {
		c, err := net.Dial("tcp", f.s.Addr())
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(hangGuard))
		fmt.Fprint(c, request)
		_ = c.(*net.TCPConn).CloseWrite()
		r := bufio.NewReader(c)
		a, err := f.readAnswer(r)
		if err != nil {
			t.Fatal(err)
		}
		a.expect(400)
		if rest, _ := io.ReadAll(r); len(rest) > 0 {
			t.Errorf("%q: after the refusal came %q", request, rest)
		}
		c.Close()
	}
	f.get("/v1/functions/fn").expect(200)
}

// With both a length and an encoding nobody can tell which one others on the
// way went by: it is refused, runs nothing, and no byte after it is read as a
// request.
func TestLengthAndEncodingTogetherAreRefused(t *testing.T) {
	f := start(t)
	f.register("fn", "LOCAL")
	const chunks = "b\r\n{\"input\":1}\r\n0\r\n\r\n"
	for name, request := range map[string]string{
		"length first":     post + "Content-Length: 21\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks,
		"encoding first":   post + "Transfer-Encoding: chunked\r\ncontent-length:4\r\n\r\n" + chunks,
		"small letters":    post + "transfer-encoding:CHUNKED\r\nX-A: b\r\ncONTENT-lENGTH: 0\r\n\r\n" + chunks,
		"identity":         post + "Content-Length: 11\r\nTransfer-Encoding: identity\r\n\r\n{\"input\":1}",
		"asks to go on":    post + "Content-Length: 21\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks,
		"another resource": "POST /v1/functions HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks,
	} {
		a, r, _ := f.talk(strings.NewReader(request + "DELETE /v1/functions/fn HTTP/1.1\r\nHost: x\r\n\r\n"))
		if a.status != 400 || a.str("error") != "BAD_REQUEST" || !strings.Contains(a.str("message"), "exclude each other") {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
		if rest, _ := io.ReadAll(r); len(rest) > 0 {
			t.Errorf("%s: after the answer came %q", name, rest)
		}
	}
	if n := f.s.only.core.Gauges().StoredExecutions; n != 0 {
		t.Errorf("%d executions of refused requests", n)
	}
	f.get("/v1/functions/fn").expect(200)
	// Either alone is fine, with the connection kept and without.
	for _, alone := range []string{"Content-Length: 11\r\n\r\n{\"input\":1}", "Transfer-Encoding: chunked\r\n\r\n" + chunks} {
		for _, connection := range []string{"", "Connection: close\r\n"} {
			a, _, _ := f.talk(strings.NewReader(post + connection + alone))
			a.expect(200)
		}
	}
}

func TestPipelinedRequestsAreAnsweredInOrder(t *testing.T) {
	f := start(t)
	f.register("fn", "LOCAL")
	var request strings.Builder
	for i := range 5 {
		body := fmt.Sprintf(`{"input":%d}`, i)
		fmt.Fprintf(&request, "%sContent-Length: %d\r\n\r\n%s", post, len(body), body)
		fmt.Fprintf(&request, "%sContent-Length: 1\r\n\r\n{", post) // refused, and the connection goes on
	}
	a, r, _ := f.talk(strings.NewReader(request.String()))
	for i := range 5 {
		if a.expect(200).raw("output") != fmt.Sprint(i) {
			t.Errorf("answer %d: %s", i, a.body)
		}
		var err error
		if a, err = f.readAnswer(r); err != nil {
			t.Fatal(err)
		}
		a.refused(400, "MALFORMED_JSON")
		if i < 4 {
			if a, err = f.readAnswer(r); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// slowly hands out one byte at a time, for ever.
type slowly struct {
	begin string
	rest  byte
	stop  <-chan struct{}
}

func (s *slowly) Read(p []byte) (int, error) {
	if s.begin != "" {
		n := copy(p, s.begin)
		s.begin = s.begin[n:]
		return n, nil
	}
	select {
	case <-s.stop:
		return 0, io.EOF
	case <-time.After(10 * ms):
	}
	p[0] = s.rest
	return 1, nil
}

func TestSlowRequestsAreCutOff(t *testing.T) {
	f := start(t, func(c *Config) { c.ReadTimeout = 150 * ms })
	f.register("fn", "LOCAL")
	stop := make(chan struct{})
	defer close(stop)
	for name, begin := range map[string]string{
		"nothing": "",
		"headers": "GET /actuator/health HTTP/1.1\r\nHost: x\r\nX-Slow: ",
		"body":    post + "Content-Length: 100000\r\n\r\n",
	} {
		var request io.Reader = &slowly{begin: begin, rest: 'x', stop: stop}
		if name == "nothing" {
			request = strings.NewReader("")
		}
		a, r, _ := f.talk(request)
		if a.status != 408 || a.str("error") != "REQUEST_TIMEOUT" {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
		if _, err := r.ReadByte(); err == nil {
			t.Errorf("%s: the connection goes on", name)
		}
	}
	f.invoke("fn", `1`).expect(200)
}

// One connection more than allowed is told so, in JSON, and the others go on.
func TestTooManyConnections(t *testing.T) {
	f := start(t, func(c *Config) { c.MaxConnections = 2 })
	open := func() (*bufio.Reader, net.Conn) {
		c, err := net.Dial("tcp", f.s.Addr())
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(hangGuard))
		fmt.Fprint(c, "GET /actuator/health HTTP/1.1\r\nHost: x\r\n\r\n")
		return bufio.NewReader(c), c
	}
	var kept []net.Conn
	for range 2 {
		r, c := open()
		kept = append(kept, c)
		a, err := f.readAnswer(r)
		if err != nil {
			t.Fatal(err)
		}
		a.expect(200)
	}
	r, c := open()
	a, err := f.readAnswer(r)
	c.Close()
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	a.refused(503, "TOO_MANY_CONNECTIONS")
	for _, c := range kept {
		fmt.Fprint(c, "GET /actuator/health HTTP/1.1\r\nHost: x\r\n\r\n")
		if a, err := f.readAnswer(bufio.NewReader(c)); err != nil || a.status != 200 {
			t.Errorf("a connection within the limit: %v", err)
		}
		c.Close()
	}
	f.eventually("there is room again", func() bool {
		a, err := f.try(f.api, "GET", "/actuator/health", "")
		return err == nil && a.status == 200
	})
}
