package abuse

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// readAnswer reads one answer from a raw connection.
func readAnswer(t *testing.T, c net.Conn) (*http.Response, string) {
	t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

// A stranger is refused before a byte of the body has come or was asked for,
// and what was announced costs nothing.
func TestAnnouncedBodiesOfStrangersAreRefused(t *testing.T) {
	v := start(t, "--invoke-token", "a", "--manage-token", "b", "--internal-token", "c")
	v.register(`{"name":"f","image":"local","executionMode":"LOCAL"}`, "Authorization", "Bearer b")
	const large = "Content-Length: 4194304\r\n"
	grown := v.peakGrowth(func() {
		for _, tc := range []struct {
			request, code string
			status        int
		}{
			{"POST /v1/functions/f:invoke HTTP/1.1\r\nHost: x\r\n" + large, "UNAUTHORIZED", 401},
			{"POST /v1/functions/f:invoke HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n", "UNAUTHORIZED", 401},
			{"POST /v1/functions/f:invoke HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n", "UNAUTHORIZED", 401},
			{"POST /v1/functions/f:invoke HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n" + large, "UNAUTHORIZED", 401},
			{"POST /v1/functions/f:enqueue HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer wrong\r\n" + large, "UNAUTHORIZED", 401},
			{"POST /v1/functions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer a\r\n" + large, "UNAUTHORIZED", 401},
			{"POST /nothing HTTP/1.1\r\nHost: x\r\n" + large, "NOT_FOUND", 404},
			{"POST /v1/functions/f:nothing HTTP/1.1\r\nHost: x\r\n" + large, "NOT_FOUND", 404},
			{"PUT /v1/functions/f:invoke HTTP/1.1\r\nHost: x\r\n" + large, "METHOD_NOT_ALLOWED", 405},
			{"POST /v1/functions/f:invoke HTTP/1.1\r\nHost: x\r\nContent-Length: 4194305\r\n", "UNAUTHORIZED", 401},
			{"POST /v1/functions/f:invoke HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer a\r\nContent-Length: 4194305\r\n", "BODY_TOO_LARGE", 413},
			{"POST /v1/functions/f:invoke HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer a\r\nExpect: 100-continue\r\nContent-Length: 4194305\r\n", "BODY_TOO_LARGE", 413},
		} {
			for range 25 {
				c := v.dial()
				fmt.Fprint(c, tc.request+"\r\n")
				resp, body := readAnswer(t, c)
				if resp.StatusCode != tc.status || !strings.Contains(body, tc.code) {
					t.Fatalf("%q: %d %s", tc.request, resp.StatusCode, body)
				}
			}
		}
	})
	v.atMost("300 announced bodies", grown, 12*mib)
}

// Bodies that stall hold no more than the budget, for no longer than somebody
// else waits for it; small requests do not notice.
func TestStalledBodiesShareABudget(t *testing.T) {
	const budget = 8 * mib
	v := start(t, "--max-reading-bytes", fmt.Sprint(budget))
	v.register(`{"name":"f","image":"local","executionMode":"LOCAL"}`)
	invoke := func(size int) (status int, body string) {
		a := v.call("POST", v.API+"/v1/functions/f:invoke", `{"input":"`+strings.Repeat("x", size)+`"}`)
		return a.Status, string(a.Body)
	}
	var stalled []net.Conn
	grown := v.peakGrowth(func() {
		for range 40 {
			c := v.dial()
			stalled = append(stalled, c)
			go fmt.Fprint(c, invokeHead+"Content-Length: 4194304\r\n\r\n"+strings.Repeat(" ", mib))
		}
		time.Sleep(time.Second)
		for range 20 {
			if status, body := invoke(1000); status != 200 {
				t.Errorf("a small request: %d %.200s", status, body)
			}
		}
	})
	v.atMost("40 stalled bodies of a MiB", grown, budget+16*mib)
	for range 3 {
		if status, body := invoke(3 * mib); status != 200 {
			t.Errorf("a large one: %d %.200s", status, body)
		}
	}
	refused := 0
	for _, c := range stalled {
		_ = c.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			continue // it has its share, or waits
		}
		refused++
		if resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
			t.Errorf("who gives way gets %s %v", resp.Status, resp.Header)
		}
	}
	if refused == 0 {
		t.Error("nobody had to give way")
	}
	metrics := string(v.call("GET", v.Mgmt+"/actuator/prometheus", "").Body)
	if !strings.Contains(metrics, "\nsimplane_bodies_refused_total ") || strings.Contains(metrics, "\nsimplane_bodies_refused_total 0\n") {
		t.Error("the metrics do not tell of it")
	}
}
