package abuse

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"testing"
)

// What recipients read differently is refused, and ends the connection: the
// request hidden behind it is not carried out. Folded lines and a bare LF were
// let through once; the others are their neighbours.
func TestAmbiguousFramingIsRefused(t *testing.T) {
	v := start(t)
	v.register(`{"name":"f","image":"local","executionMode":"LOCAL"}`)
	const hidden = "DELETE /v1/functions/f HTTP/1.1\r\nHost: x\r\n\r\n"
	const chunks = "b\r\n{\"input\":1}\r\n0\r\n\r\n"
	for name, request := range map[string]string{
		"folded line":            invokeHead + "X-A: b\r\n c\r\nContent-Length: 11\r\n\r\n{\"input\":1}",
		"folded length":          invokeHead + "Content-Length:\r\n 11\r\n\r\n{\"input\":1}",
		"folded encoding":        invokeHead + "Transfer-Encoding:\r\n\tchunked\r\n\r\n" + chunks,
		"bare LF":                invokeHead + "X-A: b\nContent-Length: 11\r\n\r\n{\"input\":1}",
		"bare LF as the end":     invokeHead + "Content-Length: 0\n\n",
		"bare CR":                invokeHead + "X-A: b\rContent-Length: 11\r\n\r\n",
		"NUL":                    invokeHead + "X-A: b\x00\r\nContent-Length: 0\r\n\r\n",
		"blank before the colon": invokeHead + "Content-Length : 11\r\n\r\n{\"input\":1}",
		"blank in a name":        invokeHead + "Content Length: 11\r\n\r\n",
		"two lengths":            invokeHead + "Content-Length: 0\r\nContent-Length: 11\r\n\r\n",
		"length and encoding":    invokeHead + "Content-Length: 20\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks,
		"encoding identity":      invokeHead + "Transfer-Encoding: identity\r\n\r\n",
		"encoding in 1.0":        strings.Replace(invokeHead, "1.1", "1.0", 1) + "Transfer-Encoding: chunked\r\n\r\n" + chunks,
		"blank in the target":    "POST /v1/functions/f:invoke x HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
		"chunk ends in LF":       invokeHead + "Transfer-Encoding: chunked\r\n\r\nb\n{\"input\":1}\r\n0\r\n\r\n",
		"chunk too short":        invokeHead + "Transfer-Encoding: chunked\r\n\r\na\r\n{\"input\":1}\r\n0\r\n\r\n",
		"chunk of a signed size": invokeHead + "Transfer-Encoding: chunked\r\n\r\n+b\r\n{\"input\":1}\r\n0\r\n\r\n",
	} {
		c := v.dial()
		go func() { _, _ = io.WriteString(c, request+hidden) }()
		r := bufio.NewReader(c)
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Errorf("%s: no answer: %v", name, err)
			continue
		}
		body, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != http.StatusBadRequest || !resp.Close {
			t.Errorf("%s: %d, connection closed: %v: %s", name, resp.StatusCode, resp.Close, body)
		}
		if rest, _ := io.ReadAll(r); len(rest) > 0 {
			t.Errorf("%s: after the answer came %q", name, rest)
		}
	}
	if a := v.call("GET", v.API+"/v1/functions/f", ""); a.Status != http.StatusOK {
		t.Errorf("the function: %d %s", a.Status, a.Body)
	}
	if a := v.call("GET", v.Mgmt+"/v1/admin/stats", ""); !strings.Contains(string(a.Body), `"storedExecutions":0`) {
		t.Errorf("there are executions of refused requests: %.500s", a.Body)
	}
}

// Heads are bounded in bytes and in fields.
func TestHeadsAreBounded(t *testing.T) {
	v := start(t)
	for name, fields := range map[string]string{
		"many fields": strings.Repeat("a: b\r\n", 64),
		"large field": "X-A: " + strings.Repeat("x", 8*kib) + "\r\n",
		"large name":  strings.Repeat("x", 8*kib) + ": a\r\n",
		"endless":     strings.Repeat("X-A: b\r\n", 1<<16),
	} {
		c := v.dial()
		go func() { _, _ = io.WriteString(c, "GET /actuator/health HTTP/1.1\r\nHost: x\r\n"+fields+"\r\n") }()
		if resp, body := readAnswer(t, c); resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("%s: %d %s", name, resp.StatusCode, body)
		}
	}
	if a := v.call("GET", v.API+"/actuator/health", ""); a.Status != 200 {
		t.Errorf("%d", a.Status)
	}
}
