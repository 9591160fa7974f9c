package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// dribble is a slow client: its request trickles in, and it must be served
// like any other.
func (g *load) dribble(f *function, j job, action string) (taken bool) {
	body := j.body()
	request := fmt.Sprintf("POST /v1/functions/%s%s HTTP/1.1\r\nHost: soak\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", f.name, action, len(body), body)
	asked := time.Now()
	r, err := trickle(strings.TrimPrefix(g.c.api, "http://"), request, 4, 40*time.Millisecond)
	if err != nil {
		g.l.violate("slow client of %s%s: %v", f.name, action, err)
		return false
	}
	id, _ := g.enter(f, j, action, r, asked, false)
	return id != ""
}

// trickle sends a raw request in parts, a pause before each but the first.
func trickle(addr, request string, parts int, pause time.Duration) (reply, error) {
	conn, err := net.DialTimeout("tcp", addr, 10*time.Second)
	if err != nil {
		return reply{}, err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	size := len(request)/parts + 1
	for at := 0; at < len(request); at += size {
		if at > 0 {
			time.Sleep(pause)
		}
		if _, err := io.WriteString(conn, request[at:min(at+size, len(request))]); err != nil {
			return reply{}, err
		}
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, raw}, err
}
