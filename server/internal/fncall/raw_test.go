package fncall

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"simplane/server/internal/sock"
)

// listener is a caller of raw calls that keeps what it gets.
type listener struct {
	body    io.Reader
	length  int
	head    bytes.Buffer
	status  int
	said    int64
	answer  bytes.Buffer
	flushed int // bytes of the answer at the last flush
	over    bool
	brittle int // writes before it is gone; 0 for never
}

func (l *listener) Length() int                { return l.length }
func (l *listener) Ready() bool                { return false }
func (l *listener) Ask() error                 { return nil }
func (l *listener) Read(p []byte) (int, error) { return l.body.Read(p) }
func (l *listener) Interrupt() bool            { return false }
func (l *listener) Left() bool                 { return false }
func (l *listener) BreakOff()                  {}
func (l *listener) Flush() error               { l.flushed = l.answer.Len(); return nil }
func (l *listener) Finish() error              { l.over = true; return nil }

func (l *listener) Begin(status int, head []byte, length int64) error {
	l.status, l.said = status, length
	l.head.Write(head)
	return nil
}

func (l *listener) Write(p []byte) (int, error) {
	if l.brittle > 0 {
		if l.brittle--; l.brittle == 0 {
			return 0, sock.ErrStopped
		}
	}
	return l.answer.Write(p)
}

// small is a buffer that takes little at a time.
func small(n int) *[]byte {
	b := make([]byte, n)
	return &b
}

// Whatever a function answers, what its caller gets is an answer: as net/http reads
// it, without lines that the function had no business to send, and it looks whole only
// if it is.
func FuzzPassedAnswer(f *testing.F) {
	for _, s := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\nhello",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nT: x\r\n\r\n",
		"HTTP/1.1 200\r\nConnection: x-a, close\r\nX-A: 1\r\nKeep-Alive: 1\r\nUpgrade: h2c\r\n\r\nto the end",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\nX-Execution-Id: forged\r\n\r\n",
		"HTTP/1.0 200 O\x01K\r\nA: b\x00c\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n\r\n",
		"HTTP/1.1 304 \r\nContent-Length: 9\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
		"HTTP/1.1 200 OK\nX: bare\n\n", "HTTP/1.1 101 \r\n\r\n", "no HTTP\r\n\r\n", "",
	} {
		f.Add([]byte(s), "GET")
		f.Add([]byte(s), "HEAD")
	}
	f.Fuzz(func(t *testing.T, raw []byte, method string) {
		l := &listener{}
		p := &passing{raw: &Raw{Method: method, Caller: l}, buf: small(16)}
		whole, err := p.download(bufio.NewReaderSize(bytes.NewReader(raw), 4<<10))
		if l.over != (err == nil) {
			t.Fatalf("%q: ended %v with %v", raw, l.over, err)
		}
		if l.head.Len() == 0 {
			if err == nil {
				t.Fatalf("%q: no answer and no error", raw)
			}
			return
		}
		head := l.head.String()
		resp, rerr := http.ReadResponse(bufio.NewReader(strings.NewReader(head+"\r\n")), &http.Request{Method: "HEAD"})
		if rerr != nil || resp.StatusCode != l.status || l.status < 200 {
			t.Fatalf("%q: head %q: %v", raw, head, rerr)
		}
		lines := 0
		for _, values := range resp.Header {
			lines += len(values)
		}
		if n := strings.Count(head, "\n"); n != lines+1 {
			t.Errorf("%q: %d lines make %d fields: %q", raw, n-1, lines, head)
		}
		for _, name := range []string{"Connection", "Keep-Alive", "Transfer-Encoding", "Upgrade", "Content-Length", "Trailer", "X-Execution-Id"} {
			if resp.Header.Values(name) != nil {
				t.Errorf("%q: %s is passed on", raw, name)
			}
		}
		if err == nil && l.said >= 0 && method != "HEAD" && l.status != 204 && l.status != 304 && int64(l.answer.Len()) != l.said {
			t.Errorf("%q: %d bytes of %d, and no error", raw, l.answer.Len(), l.said)
		}
		if whole && err != nil {
			t.Errorf("%q: the connection is kept after %v", raw, err)
		}
	})
}

// What has come of an answer is with the caller before more is waited for, however it
// is cut.
func TestPassedAnswerIsFlushedBeforeAWait(t *testing.T) {
	for _, answer := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello world",
	} {
		for size := 1; size <= len(answer); size++ {
			l := &listener{}
			came := 0
			in := readerFunc(func(b []byte) (int, error) {
				// It would wait here: of the body, all that has come must have been
				// flushed, but for what a chunk's end may still hold back.
				if got, want := l.flushed, complete(answer[:came]); l.head.Len() > 0 && got < want {
					t.Fatalf("cut at each %d: %d of %d bytes are flushed after %q", size, got, want, answer[:came])
				}
				n := copy(b, answer[came:min(came+size, len(answer))])
				if came += n; n == 0 {
					return 0, io.EOF
				}
				return n, nil
			})
			p := &passing{raw: &Raw{Method: "GET", Caller: l}, buf: small(4)}
			if _, err := p.download(bufio.NewReaderSize(in, 4<<10)); err != nil || l.answer.String() != "hello world" {
				t.Fatalf("cut at each %d: %q %v", size, l.answer.String(), err)
			}
		}
	}
}

// complete is how much of the body is in a part of an answer.
func complete(part string) int {
	_, body, _ := strings.Cut(part, "\r\n\r\n")
	if !strings.Contains(part, "chunked") {
		return len(body)
	}
	n := 0
	for _, word := range []string{"hello", " world"} {
		for i := len(word); i > 0; i-- {
			if strings.Contains(body, word[:i]) {
				n += i
				break
			}
		}
	}
	return n
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

// A caller who is gone amid the answer is no fault of the function, and ends the call.
func TestPassedAnswerOfACallerWhoLeft(t *testing.T) {
	target := peer(t, func(c net.Conn, r *http.Request, n int) bool {
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
		for {
			if _, err := c.Write(make([]byte, 64<<10)); err != nil {
				return false
			}
		}
	})
	raw := &Raw{Method: "GET", Caller: &listener{brittle: 3}}
	_, err := target.Pass(&Request{Raw: raw, Deadline: time.Now().Add(time.Minute)})
	if e, ok := err.(*Error); !ok || e.Kind != CallerLeft || raw.CallerError == nil || !raw.Sent {
		t.Errorf("%+v, sent %v", err, raw.Sent)
	}
}

// A kept connection that the function has closed is replaced before anything is sent,
// and a body that was begun goes whole to the next.
func TestPassedCallOnAStaleConnection(t *testing.T) {
	bodies := make(chan string, 10)
	target := peer(t, func(c net.Conn, r *http.Request, n int) bool {
		body, _ := io.ReadAll(r.Body)
		bodies <- string(body)
		answer(c, "ok")
		return false // closes it
	})
	for _, body := range []string{"first", "second", "third"} {
		l := &ready{listener{body: strings.NewReader(body), length: len(body)}}
		if _, err := target.Pass(&Request{Raw: &Raw{Method: "POST", Caller: l}, Deadline: time.Now().Add(time.Minute)}); err != nil || l.answer.String() != "ok" {
			t.Fatalf("%s: %v %q", body, err, l.answer.String())
		}
		if got := <-bodies; got != body {
			t.Errorf("got %q, want %q", got, body)
		}
		cc, err := target.conns.AcquireConn(time.Minute, false)
		if err != nil {
			t.Fatal(err)
		}
		for !sock.Under(cc.Conn()).HasLeft() { // before that a call could still be sent on it
			time.Sleep(time.Millisecond)
		}
		target.conns.ReleaseConn(cc)
	}
}

type ready struct{ listener }

func (*ready) Ready() bool { return true }
