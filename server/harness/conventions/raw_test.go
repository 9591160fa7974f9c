package conventions

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"simplane/server/harness/node"
)

// A raw call is to each program what a call of its own platform would be.
func TestRawCallsOfEachProgram(t *testing.T) {
	t.Parallel()
	type ask struct{ method, path, contentType, body, want string }
	for name, asks := range map[string][]ask{
		"sdk": {
			{"GET", "/health", "", "", `{"status": "UP"}`},
			{"POST", "/invoke", "application/json", `{"input":1}`, `"got": {"input": 1}`},
			{"POST", "/elsewhere", "application/json", `{}`, `{"error": "no such path"}`},
		},
		"framework": {
			{"POST", "", "application/json", `{"name":"Ada"}`, `<p>POST / Ada, run 1</p>`},
			{"PUT", "/orders/a%20b?x=1", "text/plain", "plain", `<p>PUT /orders/a b plain, run 2</p>`},
			{"DELETE", "/orders", "", "", `<p>DELETE /orders , run 3</p>`},
		},
		"events": {
			{"GET", "/a%2Fb/?q=1", "", "", `"method":"GET","url":"/a%2Fb/?q=1"`},
			// Structured mode.
			{"POST", "/", "application/cloudevents+json; charset=utf-8", `{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{"x":1}}`,
				`"type":"application/cloudevents+json; charset=utf-8","event":{},"body":"{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/s\",\"type\":\"t\",\"data\":{\"x\":1}}"`},
		},
		"watchdog": {
			{"POST", "", "application/x-www-form-urlencoded", "a=1&b=%20", `POST application/x-www-form-urlencoded a=1&b=%20`},
			{"PATCH", "/any", "image/png", "\x89PNG\r\n\x1a\n", "PATCH image/png \x89PNG\r\n\x1a\n"},
		},
	} {
		eachMode(t, name, func(t *testing.T, f *fixture, mode string) {
			for _, c := range asks {
				a := f.call(c.method, "/function/"+name+c.path, c.body, "Content-Type", c.contentType)
				if !bytes.Contains(a.Body, []byte(c.want)) || a.Header.Get("X-Execution-Id") == "" {
					t.Errorf("%s %s: status %d, %q, want %q", c.method, c.path, a.Status, a.Body, c.want)
				}
			}
		})
	}
}

// A CloudEvent in binary mode keeps its attributes, which are headers.
func TestBinaryCloudEvent(t *testing.T) {
	t.Parallel()
	eachMode(t, "events", func(t *testing.T, f *fixture, mode string) {
		a := f.call("POST", "/function/events/", "\x00binary", "Content-Type", "application/octet-stream",
			"ce-specversion", "1.0", "ce-id", "a 1", "ce-source", "/s", "ce-type", "t.created", "ce-time", "2026-01-02T03:04:05Z", "ce-comexample", "kept")
		var got struct {
			Event map[string]string
			Type  string
			Token bool
		}
		if err := json.Unmarshal(a.Body, &got); err != nil {
			t.Fatalf("status %d: %s", a.Status, a.Body)
		}
		want := map[string]string{"ce-specversion": "1.0", "ce-id": "a 1", "ce-source": "/s", "ce-type": "t.created", "ce-time": "2026-01-02T03:04:05Z", "ce-comexample": "kept"}
		if fmt.Sprint(got.Event) != fmt.Sprint(want) || got.Type != "application/octet-stream" || got.Token != (mode == "DEPLOYMENT") {
			t.Errorf("%+v", got)
		}
	})
}

// largeAnswer is many times what a transfer may take in memory.
const largeAnswer = 256 << 20

// pattern is n bytes that do not repeat soon.
type pattern struct{ n, at int64 }

func (p *pattern) Read(b []byte) (int, error) {
	if p.at == p.n {
		return 0, io.EOF
	}
	b = b[:min(int64(len(b)), p.n-p.at)]
	for i := range b {
		at := p.at + int64(i)
		b[i] = byte(at ^ at>>8 ^ at>>16)
	}
	p.at += int64(len(b))
	return len(b), nil
}

// An upload of a gigabyte, and a large answer that its caller reads slowly at first,
// pass through little memory, with a length and in chunks, to an endpoint and to a
// process.
func TestUploadsAndDownloadsInLittleMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("gigabytes: it runs without the race detector")
	}
	const bound = 32 << 20 // more than before the transfers
	n, err := node.Start(node.Options{Binary: binary, Args: []string{"--rate-max-per-second", "0"}})
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{t: t, Node: n, client: &http.Client{}}
	defer n.Stop()
	for _, p := range programs(t) {
		if p.name == "watchdog" {
			p.spec += `,"timeoutMillis":500000`
			f.register(p, "DEPLOYMENT")
			p.name = "endpoint"
			f.register(p, "POOL")
		}
	}
	f.call("POST", "/function/watchdog", "warm")
	want := map[int64]string{}
	for _, size := range []int64{1 << 30, largeAnswer} {
		sum := sha256.New()
		_, _ = io.Copy(sum, &pattern{n: size})
		want[size] = fmt.Sprintf("%x", sum.Sum(nil))
	}
	grown := func(what string) {
		m, err := node.MemoryOf(n.PID())
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d MiB resident at most, %d before", what, m.Peak>>20, base(t, n)>>20)
		if m.Peak > bound+base(t, n) {
			t.Errorf("%s took %d MiB, the process had %d before; %d more are allowed", what, m.Peak>>20, base(t, n)>>20, bound>>20)
		}
	}
	base(t, n)
	for _, name := range []string{"watchdog", "endpoint"} {
		for _, length := range []int64{1 << 30, -1} {
			size := length
			if length < 0 || name == "watchdog" {
				size = largeAnswer // long enough, and sooner over
			}
			length = min(length, size)
			if err := node.ForgetPeak(n.PID()); err != nil {
				t.Skip("NOT TESTED: the peak of a process's memory cannot be reset here: ", err)
			}
			req, _ := http.NewRequest("PUT", n.API+"/function/"+name+"/sum", &pattern{n: size})
			req.ContentLength = length
			resp, err := f.client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			got, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if resp.StatusCode != 200 || string(got) != want[size] {
				t.Errorf("upload to %s: status %d, %s", name, resp.StatusCode, got)
			}
			grown(fmt.Sprintf("an upload of %d MiB to %s (length %d)", size>>20, name, length))
		}
		resp, err := f.client.Get(n.API + "/function/" + name + "/pattern")
		if err != nil {
			t.Fatal(err)
		}
		got := sha256.New()
		in := bufio.NewReaderSize(resp.Body, 4<<10)
		for range 50 { // the function could be far ahead by the end of this
			_, err = io.CopyN(got, in, 1<<10)
		}
		grown("an answer that is read slowly, of " + name)
		if _, err2 := io.Copy(got, in); err != nil || err2 != nil || fmt.Sprintf("%x", got.Sum(nil)) != want[largeAnswer] {
			t.Errorf("download from %s: %v %v, or not what was sent", name, err, err2)
		}
		resp.Body.Close()
		grown("a large answer of " + name)
	}
}

var bases = map[int]int64{}

// base is what a node had in memory when it was first asked.
func base(t *testing.T, n *node.Node) int64 {
	t.Helper()
	if bases[n.PID()] == 0 {
		m, err := node.MemoryOf(n.PID())
		if err != nil {
			t.Fatal(err)
		}
		bases[n.PID()] = m.Resident
	}
	return bases[n.PID()]
}

// Events of a function come one by one, from a process as from an endpoint.
func TestServerSentEvents(t *testing.T) {
	t.Parallel()
	eachMode(t, "watchdog", func(t *testing.T, f *fixture, mode string) {
		resp, err := f.client.Get(f.API + "/function/watchdog/events")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if got := resp.Header.Get("Content-Type"); got != "text/event-stream" {
			t.Errorf("type %q", got)
		}
		in := bufio.NewReader(resp.Body)
		for i := range 3 {
			line, err := in.ReadString('\n')
			if err != nil || strings.TrimSpace(line) != fmt.Sprintf("data: %d", i) {
				t.Fatalf("event %d: %q %v", i, line, err)
			}
			// The function waits for this before it sends the next.
			if a := f.call("POST", "/function/watchdog/next", ""); a.Status != 200 {
				t.Fatalf("%d %s", a.Status, a.Body)
			}
		}
		if rest, err := io.ReadAll(in); err != nil || len(rest) > 0 {
			t.Errorf("after the events: %q %v", rest, err)
		}
	})
}
