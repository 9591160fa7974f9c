package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"simplane/server/harness/node"
	"simplane/server/harness/replicas"
)

// What a gigabyte that is passed on by one node to another may take of either's memory
// beyond what it had before, in bytes.
const passingBound = 64 << 20

// A gigabyte goes through two nodes, to a function whose partition is another node's, and
// another one comes back, in little memory of each: with a length and in chunks, and
// while the caller does not read what the function writes.
func TestGigabyteThroughTwoNodes(t *testing.T) {
	if testing.Short() {
		t.Skip("gigabytes: it runs without the race detector")
	}
	ctx, dir := context.Background(), t.TempDir()
	binary, err := node.BuildPlain(ctx, dir)
	if err != nil {
		t.Fatal(err)
	}
	g, err := replicas.Start(ctx, replicas.Options{Binary: binary, Dir: dir, Nodes: 3, Args: []string{"--rate-max-per-second", "0"}})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	var written atomic.Int64 // by the function, of the last answer
	function := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/check":
			n, err := io.Copy(&checked{}, r.Body)
			fmt.Fprint(w, n, " ", err)
		case "/answer":
			written.Store(0)
			_, _ = io.Copy(&counted{w, &written}, io.LimitReader(&stream{}, gigabyte))
		}
	}))
	defer function.Close()
	client := &http.Client{Timeout: 10 * time.Minute}
	call := func(method, url, body string) node.Answer {
		t.Helper()
		a, err := node.Call(client, method, url, strings.NewReader(body))
		if err != nil || a.Status/100 != 2 {
			t.Fatalf("%s %s: %v %d %s", method, url, err, a.Status, a.Body)
		}
		return a
	}
	call("PUT", g.URL(0)+"/v1/functions/large", fmt.Sprintf(`{"executionMode":"POOL","endpointUrl":%q,"concurrency":4,"timeoutMillis":500000}`, function.URL))

	at := -1 // a node that passes its calls on
	base := make([]int64, g.Len())
	for i := range g.Len() {
		before := forwarded(t, call("GET", g.Node(i).Mgmt+"/actuator/prometheus", "").Body)
		call("POST", g.URL(i)+"/function/large/check", "")
		if forwarded(t, call("GET", g.Node(i).Mgmt+"/actuator/prometheus", "").Body) > before {
			at = i
		}
	}
	if at < 0 {
		t.Fatal("each node owns the function")
	}
	for i := range base {
		m, err := node.MemoryOf(g.Node(i).PID())
		if err != nil {
			t.Fatal(err)
		}
		base[i] = m.Resident
	}
	begin := func() time.Time {
		for i := range g.Len() {
			if err := node.ForgetPeak(g.Node(i).PID()); err != nil {
				t.Skip("NOT TESTED: the peak of a process's memory cannot be reset here: ", err)
			}
		}
		return time.Now()
	}
	grown := func(what string, began time.Time) {
		t.Helper()
		for i := range g.Len() {
			m, err := node.MemoryOf(g.Node(i).PID())
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%s: %s (asked: %v) had %d MiB resident at most, %d before; %v", what, replicas.Name(i), i == at, m.Peak>>20, base[i]>>20, time.Since(began).Round(time.Millisecond))
			if m.Peak > base[i]+passingBound {
				t.Errorf("%s took %d MiB of %s, which had %d before: %d more are allowed", what, m.Peak>>20, replicas.Name(i), base[i]>>20, passingBound>>20)
			}
		}
	}
	url := g.URL(at) + "/function/large"
	for _, length := range []int64{gigabyte, -1} {
		began := begin()
		req, _ := http.NewRequest("PUT", url+"/check", io.LimitReader(&stream{}, gigabyte))
		req.ContentLength = length
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		got, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if want := fmt.Sprint(int64(gigabyte), " ", nil); resp.StatusCode != 200 || string(got) != want {
			t.Errorf("upload of length %d: %d %q, want %q", length, resp.StatusCode, got, want)
		}
		grown(fmt.Sprintf("an upload of length %d", length), began)
	}

	began := begin()
	resp, err := client.Get(url + "/answer")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	for before := int64(-1); before != written.Load(); time.Sleep(time.Second) { // until the function is held up
		before = written.Load()
	}
	if n := written.Load(); n == gigabyte {
		t.Error("the function wrote all of its answer although its caller read nothing")
	} else {
		t.Logf("the function has written %d KiB that nobody reads", n>>10)
	}
	grown("an answer that nobody reads", began)
	if n, err := io.Copy(&checked{}, resp.Body); n != gigabyte || err != nil {
		t.Errorf("download: %d bytes, %v", n, err)
	}
	grown("a download", began)
}

// forwarded is how many requests a node has passed on, by its metrics.
func forwarded(t *testing.T, page []byte) int {
	t.Helper()
	n, err := node.Gauge(page, `simplane_cluster_forwarded_total{outcome="answered"}`, "")
	if err != nil {
		t.Fatal(err)
	}
	return n
}

const gigabyte = 1 << 30

// block is what stream repeats: its length is no power of two, so that a part that is
// missing or doubled shows.
var block = func() []byte {
	b := make([]byte, 1<<20+7)
	x := uint32(1)
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return b
}()

// stream reads block over and over.
type stream struct{ at int }

func (s *stream) Read(p []byte) (int, error) {
	n := copy(p, block[s.at:])
	s.at = (s.at + n) % len(block)
	return n, nil
}

// checked takes what stream has, and nothing else.
type checked struct{ at int }

func (c *checked) Write(p []byte) (int, error) {
	for done := 0; done < len(p); {
		want := block[c.at:min(len(block), c.at+len(p)-done)]
		if !bytes.Equal(p[done:done+len(want)], want) {
			return done, fmt.Errorf("other bytes than were sent, at %d of the block", c.at)
		}
		done += len(want)
		c.at = (c.at + len(want)) % len(block)
	}
	return len(p), nil
}

type counted struct {
	io.Writer
	n *atomic.Int64
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	c.n.Add(int64(n))
	return n, err
}
