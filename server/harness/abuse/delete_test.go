package abuse

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// fillQueue leaves n executions of a function in its queue, over a pipelined
// connection, and returns the id of the last.
func (v *victim) fillQueue(function string, n int) string {
	v.t.Helper()
	v.register(fmt.Sprintf(`{"name":%q,"image":"none","executionMode":"LOCAL","queueSize":1000000}`, function))
	c := v.dial()
	go func() {
		w := bufio.NewWriterSize(c, 64*kib)
		const body = `{"input":"some work"}`
		for range n {
			fmt.Fprintf(w, "POST /v1/functions/%s:enqueue HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", function, len(body), body)
		}
		_ = w.Flush()
	}()
	r := bufio.NewReaderSize(c, 64*kib)
	id := ""
	for i := range n {
		a, err := http.ReadResponse(r, nil)
		if err == nil && a.StatusCode != http.StatusAccepted {
			err = fmt.Errorf("status %d", a.StatusCode)
		}
		if err == nil {
			id = a.Header.Get("X-Execution-Id")
			_, err = io.Copy(io.Discard, a.Body)
		}
		if err != nil {
			v.t.Fatalf("enqueueing %d of %d: %v; log:\n%s", i, n, err, v.Log())
		}
	}
	return id
}

// Deleting functions with long queues took 2.7 s in which others were held up for
// 355 ms, and five times the memory. The name is free at once, and whoever has it
// next gets nothing of the old queue.
func TestDeletingALongQueueCostsNoMemory(t *testing.T) {
	const (
		functions   = 3
		queued      = 100_000
		growthShare = 10 // percent of what was in use, and
		growthBase  = 8 * mib
	)
	v := start(t, "--scheduler", "off")
	last := make([]string, functions)
	for i := range last {
		last[i] = v.fillQueue(fmt.Sprint("f", i), queued)
	}
	before, successor := v.memory().Resident, ""
	grown := v.peakGrowth(func() {
		var all sync.WaitGroup
		all.Go(func() { successor = v.succeed("f0") })
		for i := range functions {
			all.Go(func() {
				if a := v.call("DELETE", fmt.Sprint(v.API, "/v1/functions/f", i), ""); a.Status != http.StatusNoContent {
					t.Errorf("deleting f%d: %d %s", i, a.Status, a.Body)
				}
			})
		}
		all.Wait()
	})
	v.atMost(fmt.Sprintf("deleting %d functions with %d queued", functions, queued), grown, before*growthShare/100+growthBase)
	for i, id := range last {
		if a := v.call("GET", v.API+"/v1/executions/"+id, ""); !strings.Contains(string(a.Body), `"FUNCTION_DELETED"`) {
			t.Errorf("the last one queued at f%d: %d %s", i, a.Status, a.Body)
		}
	}
	if a := v.call("GET", v.API+"/v1/executions/"+successor, ""); !strings.Contains(string(a.Body), `"queued"`) {
		t.Errorf("queued at the successor of f0: %d %s", a.Status, a.Body)
	}
	// What the queued ones brought is given back at once, not at cleanupTtl.
	if held := v.metric("simplane_payload_bytes"); held < 0 || held > 100 {
		t.Errorf("%v bytes of payload are still held", held)
	}
	v.call("DELETE", v.API+"/v1/functions/f0", "") // or its queue is reported at the end
	v.healthy()
}

// metric reads a metric without labels; -1 when it is absent.
func (v *victim) metric(name string) float64 {
	v.t.Helper()
	for line := range strings.Lines(string(v.call("GET", v.Mgmt+"/actuator/prometheus", "").Body)) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			n, err := strconv.ParseFloat(strings.TrimSpace(rest), 64)
			if err != nil {
				v.t.Fatal(err)
			}
			return n
		}
	}
	return -1
}

// succeed registers a name as soon as that is free, and returns the id of an
// execution that it leaves in the new queue.
func (v *victim) succeed(name string) string {
	for {
		a := v.call("POST", v.API+"/v1/functions", fmt.Sprintf(`{"name":%q,"image":"none","executionMode":"LOCAL"}`, name))
		if a.Status == http.StatusCreated {
			break
		}
		if a.Status != http.StatusConflict {
			v.t.Errorf("registering %s anew: %d %s", name, a.Status, a.Body)
			return ""
		}
	}
	a := v.call("POST", v.API+"/v1/functions/"+name+":enqueue", `{"input":1}`)
	var queued struct{ ExecutionID string }
	if err := json.Unmarshal(a.Body, &queued); err != nil || a.Status != http.StatusAccepted {
		v.t.Errorf("enqueueing at the new %s: %d %s", name, a.Status, a.Body)
	}
	return queued.ExecutionID
}
