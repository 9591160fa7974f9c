package http1

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"
)

func TestBufferClasses(t *testing.T) {
	last, lastCapacity := 0, smallBuffer
	for n := 1; n < 3<<20; n += 1 + n/1000 {
		i, capacity := class(n)
		switch {
		case capacity < n, n > smallBuffer && 8*capacity > 9*n+8*steps:
			t.Fatalf("%d bytes in a buffer of %d", n, capacity)
		case (i == last) != (capacity == lastCapacity), i < last, i > last+1:
			t.Fatalf("class %d of %d bytes follows %d of %d", i, capacity, last, lastCapacity)
		}
		if again, same := class(capacity); again != i || same != capacity {
			t.Fatalf("a buffer of %d goes back as class %d of %d, and came from %d", capacity, again, same, i)
		}
		last, lastCapacity = i, capacity
	}
	if i, capacity := class(1<<31 - 1); i >= len(buffers) || capacity != 1<<31 {
		t.Errorf("the largest buffer is of class %d of %d and has %d bytes", i, len(buffers), capacity)
	}
}

// What was taken stays as it is while others' bodies come.
func TestTakenBodiesAreNotUsedAgain(t *testing.T) {
	var taken [][]byte
	f := serve(t, func(s *Server) {
		s.Handler = func(ctx *fasthttp.RequestCtx) {
			if err := ReadBody(ctx); err != nil {
				s.Refuse(ctx, err)
				return
			}
			body := ctx.PostBody()
			ok := TakeBody(ctx, body[1:])
			if string(ctx.Path()) == "/back" {
				ReturnBody(ctx)
			} else if ok {
				taken = append(taken, body[1:])
			}
			fmt.Fprint(ctx, ok)
		}
	})
	c := f.dial()
	post := func(path string, c0 byte, size int, head string) string {
		c.send("POST %s HTTP/1.1\r\nHost: x\r\n%s%s", path, head, bytes.Repeat([]byte{c0}, size))
		if strings.HasPrefix(head, "Transfer") {
			c.send("\r\n0\r\n\r\n")
		}
		return c.answer(200)
	}
	for i := range 20 {
		letter := byte('a' + i)
		for _, size := range []int{9000, 70_000, 1_000_000} {
			length := fmt.Sprintf("Content-Length: %d\r\n\r\n", size)
			if got := post("/", letter, size, length); got != "true" {
				t.Fatalf("a body of %d bytes: %s", size, got)
			}
			post("/back", letter, size, length)
		}
	}
	for i, b := range taken {
		if letter := byte('a' + i/3); bytes.Count(b, []byte{letter}) != len(b) {
			t.Errorf("body %d of %d bytes has changed", i, len(b))
		}
	}
	// Not from the buffer of heads, and not from one that is much larger.
	if got := post("/", 'z', 100, "Content-Length: 100\r\n\r\n"); got != "false" {
		t.Error("a small body was given away")
	}
	if got := post("/", 'z', 80_000, "Transfer-Encoding: chunked\r\n\r\n13880\r\n"); got != "false" {
		t.Error("a buffer that is much larger than the body was given away")
	}
	if TakeBody(&fasthttp.RequestCtx{}, nil) {
		t.Error("the body of another server's request was given away")
	}
}

// Answers in pieces arrive whole and in order, also by a connection that takes
// little at once.
func TestAnswersInPieces(t *testing.T) {
	text := func(size int, from byte) []byte {
		b := make([]byte, size)
		for i := range b {
			b[i] = from + byte(i%20)
		}
		return b
	}
	sizes := [][3]int{{80, 5000, 1}, {80, 3 << 20, 200}, {0, 100, 0}, {5000, 5000, 5000}, {3800, 1, 1}, {1, 0, 1}, {80, 1 << 20, 1}}
	f := serve(t, func(s *Server) {
		s.Handler = func(ctx *fasthttp.RequestCtx) {
			n, _ := ctx.QueryArgs().GetUint("n")
			SetPieces(ctx, text(sizes[n][0], 'a'), text(sizes[n][1], 'A'), text(sizes[n][2], 'a'))
		}
	})
	c := f.dial()
	go func() {
		for round := range 2 { // all at once: one answer goes out with the next
			for n := range sizes {
				method := "GET"
				if round == 1 && n%2 == 1 {
					method = "HEAD"
				}
				c.send("%s /?n=%d HTTP/1.1\r\nHost: x\r\n\r\n", method, n)
			}
		}
	}()
	for round := range 2 {
		for n, size := range sizes {
			want := string(text(size[0], 'a')) + string(text(size[1], 'A')) + string(text(size[2], 'a'))
			if round == 1 && n%2 == 1 {
				head := ""
				for !strings.HasSuffix(head, "\r\n\r\n") {
					line, err := c.r.ReadString('\n')
					if err != nil {
						t.Fatal(err)
					}
					head += line
				}
				if !strings.Contains(head, fmt.Sprintf("Content-Length: %d\r\n", len(want))) {
					t.Fatalf("%v: the answer to HEAD is %q", size, head)
				}
				continue
			}
			if got := c.answer(200); got != want {
				t.Fatalf("%v: %d bytes came, of %d, or others", size, len(got), len(want))
			}
		}
	}
	// Who is not a Server reads them.
	var ctx fasthttp.RequestCtx
	SetPieces(&ctx, []byte("a"), []byte("bc"), []byte("d"))
	if got, err := io.ReadAll(ctx.Response.BodyStream()); string(got) != "abcd" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}
