package abuse

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"simplane/server/harness/node"
)

const (
	listAnswer = 16*mib + 5*mib // the bound of an answer, and one entry that goes beyond it
	// What slow readers may cost: 32 answers are being read at once, each with a
	// part of one entry (256 KiB) in the making and on its way, garbage included.
	readersGrowth = 64 * mib
	listGrowth    = 24 * mib // what one list may cost while it is written, garbage included
	slowReaders   = 200
)

// value is a JSON string of about n bytes.
func value(n int) string { return `"` + strings.Repeat("x", n) + `"` }

type listed struct {
	Executions, DeadLetters []struct {
		ExecutionID   string
		Output, Input json.RawMessage
	}
	Truncated  bool
	NextCursor string
}

// list gets a list, whose answer must keep to its bound.
func (v *victim) list(url string) (l listed) {
	v.t.Helper()
	a := v.call("GET", url, "")
	if a.Status != http.StatusOK || len(a.Body) > listAnswer {
		v.t.Fatalf("%s: %d, %d bytes", url, a.Status, len(a.Body))
	}
	if err := json.Unmarshal(a.Body, &l); err != nil {
		v.t.Fatal(err)
	}
	return l
}

// Large outputs do not make large searches: they are left out, and with them
// an answer is cut and goes on at its cursor until all have been listed.
func TestSearchOfLargeOutputsIsBounded(t *testing.T) {
	const calls = 50
	v := start(t)
	v.register(`{"name":"f","image":"local","executionMode":"LOCAL"}`)
	for range calls {
		if a := v.call("POST", v.API+"/v1/functions/f:invoke", `{"input":`+value(4_000_000)+`}`); a.Status != 200 {
			t.Fatalf("%d %.200s", a.Status, a.Body)
		}
	}
	url := v.Mgmt + "/v1/admin/executions?limit=1000"
	v.atMost("a search", v.peakGrowth(func() {
		if l := v.list(url); len(l.Executions) != calls || l.Truncated || l.Executions[0].Output != nil {
			t.Errorf("%d found, truncated %v, output of %d bytes", len(l.Executions), l.Truncated, len(l.Executions[0].Output))
		}
	}), 8*mib)
	v.atMost("a search with outputs", v.peakGrowth(func() {
		seen := map[string]bool{}
		for cursor := ""; ; {
			l := v.list(url + "&include=output&cursor=" + cursor)
			for _, e := range l.Executions {
				if len(e.Output) < 4_000_000 || seen[e.ExecutionID] {
					t.Fatalf("%s: output of %d bytes, seen before: %v", e.ExecutionID, len(e.Output), seen[e.ExecutionID])
				}
				seen[e.ExecutionID] = true
			}
			if cursor = l.NextCursor; !l.Truncated {
				break
			}
		}
		if len(seen) != calls {
			t.Errorf("%d executions listed, want %d", len(seen), calls)
		}
	}), listGrowth)
	v.slowReaders(v.Mgmt, "/v1/admin/executions?limit=1000&include=output")
}

// The same for dead letters and their inputs.
func TestDeadLetterListOfLargeInputsIsBounded(t *testing.T) {
	const calls = 40
	v := start(t)
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = nobody.Close()
	v.register(fmt.Sprintf(`{"name":"f","image":"none","executionMode":"POOL","endpointUrl":"http://%s/","maxRetries":0}`, nobody.Addr()))
	for range calls {
		if a := v.call("POST", v.API+"/v1/functions/f:enqueue", `{"input":`+value(4_000_000)+`}`); a.Status != 202 {
			t.Fatalf("%d %.200s", a.Status, a.Body)
		}
	}
	url := v.API + "/v1/functions/f/dead-letters?limit=1000"
	for deadline := time.Now().Add(hangGuard); len(v.list(url).DeadLetters) < calls && time.Now().Before(deadline); {
		time.Sleep(20 * time.Millisecond)
	}
	v.atMost("a list of dead letters", v.peakGrowth(func() {
		if l := v.list(url); len(l.DeadLetters) != calls || l.Truncated || l.DeadLetters[0].Input != nil {
			t.Errorf("%d found, truncated %v, input of %d bytes", len(l.DeadLetters), l.Truncated, len(l.DeadLetters[0].Input))
		}
	}), 8*mib)
	v.atMost("a list of dead letters with inputs", v.peakGrowth(func() {
		found := 0
		for cursor := ""; ; {
			l := v.list(url + "&include=input" + cursor)
			found += len(l.DeadLetters)
			if cursor = "&cursor=" + l.NextCursor; !l.Truncated {
				break
			}
		}
		if found != calls {
			t.Errorf("%d dead letters listed, want %d", found, calls)
		}
	}), listGrowth)
	v.slowReaders(v.API, "/v1/functions/f/dead-letters?limit=1000&include=input")
}

// Large specs do not make a large list of functions.
func TestFunctionListIsBounded(t *testing.T) {
	const functions = 150
	v := start(t)
	for i := range functions {
		v.register(fmt.Sprintf(`{"name":"f%03d","image":"local","executionMode":"LOCAL","env":{"A":%s}}`, i, value(200*kib)))
	}
	v.atMost("the list of functions", v.peakGrowth(func() {
		var names []string
		for cursor := ""; ; {
			a := v.call("GET", v.API+"/v1/functions?cursor="+cursor, "")
			var page []struct{ Name string }
			if err := json.Unmarshal(a.Body, &page); err != nil || len(a.Body) > listAnswer {
				t.Fatalf("%d, %d bytes, %v", a.Status, len(a.Body), err)
			}
			for _, f := range page {
				names = append(names, f.Name)
			}
			if cursor = a.Header.Get("X-Next-Cursor"); cursor == "" {
				break
			}
		}
		if len(names) != functions || names[0] != "f000" || names[functions-1] != "f149" {
			t.Errorf("%d names: %v", len(names), names)
		}
	}), listGrowth)
	v.slowReaders(v.API, "/v1/functions")
}

// Many records do not make a search hold more than it lists.
func TestSearchAmongManyRecordsIsBounded(t *testing.T) {
	const functions, calls = 200, 50_000
	v := start(t)
	for i := range functions {
		v.register(fmt.Sprintf(`{"name":"f%d","image":"local","executionMode":"LOCAL"}`, i))
	}
	var next atomic.Int64
	var callers sync.WaitGroup
	client := &http.Client{Timeout: hangGuard, Transport: &http.Transport{MaxIdleConnsPerHost: 8}}
	defer client.CloseIdleConnections()
	for range 8 {
		callers.Go(func() {
			for n := next.Add(1); n <= calls; n = next.Add(1) {
				a, err := node.Call(client, "POST", fmt.Sprintf("%s/v1/functions/f%d:invoke", v.API, n%functions), strings.NewReader(`{"input":1}`))
				if err != nil || a.Status != 200 {
					t.Errorf("%v %d %.200s", err, a.Status, a.Body)
					return
				}
			}
		})
	}
	callers.Wait()
	v.atMost("20 searches", v.peakGrowth(func() {
		for range 20 {
			if l := v.list(v.Mgmt + "/v1/admin/executions?limit=100"); len(l.Executions) != 100 || !l.Truncated {
				t.Fatalf("%d found, truncated %v", len(l.Executions), l.Truncated)
			}
		}
	}), 8*mib)
}

// slowReaders ask for a long list and do not read it. They hold little, others
// are answered meanwhile, and lists are to be had again once they are gone.
func (v *victim) slowReaders(at, path string) {
	v.t.Helper()
	var open []net.Conn
	grown := v.peakGrowth(func() {
		for range slowReaders {
			c, err := net.DialTimeout("tcp", strings.TrimPrefix(at, "http://"), hangGuard)
			if err != nil {
				v.t.Fatal(err)
			}
			open = append(open, c)
			_ = c.(*net.TCPConn).SetReadBuffer(4 * kib)
			if _, err := io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: "+c.RemoteAddr().String()+"\r\n\r\n"); err != nil {
				v.t.Fatal(err)
			}
		}
		for range 10 {
			v.healthy()
			time.Sleep(50 * time.Millisecond)
		}
	})
	for _, c := range open {
		_ = c.Close()
	}
	v.atMost(fmt.Sprintf("%d readers that do not read", slowReaders), grown, readersGrowth)
	for deadline := time.Now().Add(hangGuard); ; time.Sleep(50 * time.Millisecond) {
		a := v.call("GET", at+path, "")
		if a.Status == http.StatusOK {
			return
		}
		if a.Status != http.StatusServiceUnavailable || time.Now().After(deadline) {
			v.t.Fatalf("after slow readers had left: %d %.300s", a.Status, a.Body)
		}
	}
}
