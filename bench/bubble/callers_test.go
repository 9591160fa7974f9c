package bubble

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"time"

	"simplane/server/harness/memnet"
)

// manner is how a caller uses its connection.
type manner int

const (
	plain        manner = iota // over a kept connection
	cutInRequest               // it is cut before all of the request is sent
	cutWaiting                 // it is cut while the caller waits, or just after the answer has come
	cutReading                 // it is cut in the midst of the answer
	sendsNoMore                // half closed after the request
	writesSlowly               // the request comes in pieces
	readsSlowly                // the answer goes through a window of a few bytes
	closesAtOnce               // closed when the request is sent, with nothing read
	saysNothing                // closed without a request
	refusedFirst               // behind a request that is refused before its body is read
	manners                    // how many there are
)

// misbehave makes a call in another manner than plain, drawn by r.
func (s *stage) misbehave(c *call, how manner, r *rand.Rand) {
	conn, err := s.net.Dial(addr, time.Minute)
	if err != nil {
		c.lost, c.answered = err, s.now()
		return
	}
	defer conn.Close()
	var text bytes.Buffer
	if err := c.request(context.Background()).Write(&text); err != nil {
		s.t.Error(err)
		return
	}
	request := text.Bytes()
	answers := bufio.NewReaderSize(conn, 16)
	lost := func(err error) { c.lost, c.left, c.answered = err, true, s.now() }
	if how == readsSlowly {
		conn.(*memnet.Conn).SetWindow(16)
	}
	switch how {
	case saysNothing:
		time.Sleep(upTo(r, time.Second))
		lost(io.EOF)
		return
	case cutInRequest:
		_, _ = conn.Write(request[:r.IntN(len(request))])
		time.Sleep(upTo(r, 50*time.Millisecond))
		conn.(*memnet.Conn).Cut()
		lost(io.EOF)
		return
	case refusedFirst:
		if again := s.refused(c, conn, answers, request, r); again != nil {
			conn, answers = again, bufio.NewReaderSize(again, 16)
			defer conn.Close()
		}
		c.sent = s.now()
		if _, err := conn.Write(request); err != nil {
			c.lost, c.answered = err, s.now()
			return
		}
	case writesSlowly:
		c.sent = s.now()
		for len(request) > 0 {
			n := min(1+r.IntN(40), len(request))
			if _, err := conn.Write(request[:n]); err != nil {
				lost(err)
				return
			}
			request = request[n:]
			time.Sleep(upTo(r, 20*time.Millisecond))
		}
	default:
		c.sent = s.now()
		if _, err := conn.Write(request); err != nil {
			c.lost, c.answered = err, s.now()
			return
		}
	}
	switch how {
	case closesAtOnce:
		lost(io.EOF)
		return
	case cutWaiting:
		time.Sleep(upTo(r, 300*time.Millisecond))
		conn.(*memnet.Conn).Cut()
		lost(io.EOF)
		return
	case cutReading:
		n, _ := io.ReadFull(conn, make([]byte, 1+r.IntN(100)))
		conn.(*memnet.Conn).Cut()
		lost(io.ErrUnexpectedEOF)
		if n == 0 {
			s.find("%s: nothing came before its connection was cut", c.trace)
		}
		return
	case sendsNoMore:
		_ = conn.(*memnet.Conn).CloseWrite()
	}
	if how == readsSlowly {
		answers.Reset(slowly{conn, r})
	}
	res, err := http.ReadResponse(answers, nil)
	if err != nil {
		c.lost, c.answered = err, s.now()
		return
	}
	defer res.Body.Close()
	c.read(s, res)
}

// refused sends a request that is answered 404 without a look at its body. The body is the
// text of another call, which must not be made. It returns a new connection if the server
// ends this one.
func (s *stage) refused(c *call, conn net.Conn, answers *bufio.Reader, body []byte, r *rand.Rand) net.Conn {
	never := bytes.ReplaceAll(body, []byte(c.trace), []byte("never-"+c.trace))
	head := fmt.Appendf(nil, "POST /v1/nothing HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n", len(never))
	sent := make(chan struct{})
	go func() { // the answer may come, and fill the window, before all is sent
		defer close(sent)
		for _, part := range [][]byte{head, never[:len(never)/2], never[len(never)/2:]} {
			if _, err := conn.Write(part); err != nil {
				return
			}
			if r.IntN(2) == 0 {
				time.Sleep(upTo(r, 20*time.Millisecond))
			}
		}
	}()
	res, err := http.ReadResponse(answers, nil)
	if err == nil {
		_, err = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
	}
	<-sent
	if err != nil || res.StatusCode != http.StatusNotFound && res.StatusCode != http.StatusServiceUnavailable {
		s.find("%s: a request for nothing is answered %v, %v", c.trace, res, err)
		return nil
	}
	if !res.Close {
		return nil
	}
	again, err := s.net.Dial(addr, time.Minute)
	if err != nil {
		return nil // the server has stopped, and conn is closed
	}
	return again
}

// slowly reads a few bytes at a time.
type slowly struct {
	from io.Reader
	r    *rand.Rand
}

// Read implements io.Reader.
func (s slowly) Read(p []byte) (int, error) {
	time.Sleep(upTo(s.r, 30*time.Millisecond))
	return s.from.Read(p[:min(len(p), 8)])
}

func upTo(r *rand.Rand, d time.Duration) time.Duration { return time.Duration(r.Int64N(int64(d))) }
