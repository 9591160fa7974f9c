package abuse

import (
	"bufio"
	"flag"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

var crowd = flag.Int("crowd", 1000, "hostile connections of each kind at once, in TestConnectionsOfStrangersAreCheap")

// What a connection may cost beyond its socket, whatever its peer does, and
// when it only waits; and what the server may take besides, in bytes.
const (
	connectionBound = 32 * kib
	idleBound       = 12 * kib
	worstHeadBound  = 40 * kib // the text of a head is kept twice, and fields have a price each
	crowdSlack      = 12 * mib
)

// hostile is one way to be a burden with a connection that is kept open.
type hostile struct {
	name  string
	bytes int // bound of one connection
	// budget says that bodies come, which may take the default maxReadingBytes.
	budget bool
	send   string
	reads  bool // the answer is waited for
	// each is sent every so often as long as the crowd is there.
	each string
}

const invokeHead = "POST /v1/functions/f:invoke HTTP/1.1\r\nHost: x\r\n"

var crowds = []hostile{
	{name: "nothing sent", bytes: idleBound},
	{name: "idle after an answer", bytes: idleBound, reads: true, send: "GET /actuator/health HTTP/1.1\r\nHost: x\r\n\r\n"},
	{name: "idle after a refusal", bytes: idleBound, reads: true, send: "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n"},
	{name: "half a head", bytes: connectionBound, send: "GET / HTTP/1.1\r\nHost: x\r\nX-A: "},
	{name: "half a large head", bytes: connectionBound, send: "GET / HTTP/1.1\r\nHost: x\r\nX-A: " + strings.Repeat("x", 8000)},
	{name: "half a head of many fields", bytes: connectionBound, send: "GET / HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("a:\r\n", 2000)[:8000]},
	{name: "slow head", bytes: connectionBound, send: "GET / HTTP/1.1\r\nHost: x\r\nX-A: ", each: "x"},
	{name: "announced fixed body", bytes: connectionBound, send: invokeHead + "Content-Length: 4194304\r\n\r\n{"},
	{name: "announced small body", bytes: connectionBound, send: invokeHead + "Content-Length: 8192\r\n\r\n{"},
	{name: "announced chunked body", bytes: connectionBound, send: invokeHead + "Transfer-Encoding: chunked\r\n\r\n400000\r\n{"},
	{name: "100-continue", bytes: connectionBound, send: invokeHead + "Content-Length: 4194304\r\nExpect: 100-continue\r\n\r\n"},
	{name: "body behind many fields", bytes: connectionBound, send: invokeHead + strings.Repeat("a:\r\n", 62) + "Content-Length: 4194304\r\n\r\n{"},
	{name: "body behind a large head", bytes: connectionBound, send: invokeHead + "X-A: " + strings.Repeat("x", 8000) + "\r\nContent-Length: 4194304\r\n\r\n{"},
	{name: "body behind the worst head", bytes: worstHeadBound, send: invokeHead + strings.Repeat("Some-Header: "+strings.Repeat("x", 108)+"\r\n", 62) + "Content-Length: 4194304\r\n\r\n{"},
	{name: "body of a refused request", bytes: connectionBound, reads: true, send: "POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 8192\r\n\r\n"},
	{name: "slow body", bytes: connectionBound, budget: true, send: invokeHead + "Content-Length: 4194304\r\n\r\n" + strings.Repeat(" ", 20_000), each: strings.Repeat(" ", 100)},
	{name: "slow chunked body", bytes: connectionBound, budget: true, send: invokeHead + "Transfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1\r\n \r\n", 1000), each: "1\r\n \r\n"},
	{name: "slow reader of answers", bytes: connectionBound, send: strings.Repeat("GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n", 150)},
}

// Connections that a stranger keeps open cost little in whichever state they
// are kept, where no scope needs a token, and others are served meanwhile. With
// -v and a large -crowd this is the measurement of that.
func TestConnectionsOfStrangersAreCheap(t *testing.T) {
	for _, h := range crowds {
		t.Run(strings.ReplaceAll(h.name, " ", "-"), func(t *testing.T) {
			t.Parallel() // each has a server of its own, and mostly waits
			v := start(t)
			v.register(`{"name":"f","image":"local","executionMode":"LOCAL"}`)
			var latency []time.Duration
			grown := v.peakGrowth(func() {
				v.gather(h, *crowd)
				for range 20 {
					latency = append(latency, v.healthLatency())
				}
			})
			slices.Sort(latency)
			t.Logf("%-27s %d connections: %5.1f MiB, %5.1f KiB each; health %s in the middle, %s at most", h.name, *crowd,
				float64(grown)/mib, float64(grown)/kib/float64(*crowd), latency[len(latency)/2].Round(10*time.Microsecond), latency[len(latency)-1].Round(10*time.Microsecond))
			bound := int64(*crowd*h.bytes + crowdSlack)
			if h.budget {
				bound += 64 * mib
			}
			v.atMost(h.name, grown, bound)
		})
	}
}

// gather opens n connections and has each do its part, until all are in the
// state they are to be in.
func (v *victim) gather(h hostile, n int) {
	v.t.Helper()
	for range n {
		c := v.dial()
		sent := make(chan error, 1)
		go func() { // it may be more than the sockets hold
			_, err := c.Write([]byte(h.send))
			sent <- err
			for err == nil && h.each != "" {
				time.Sleep(time.Second)
				_, err = c.Write([]byte(h.each))
			}
		}()
		if h.reads {
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				v.t.Fatal(err)
			}
			resp.Body.Close()
		}
		select {
		case <-sent:
		case <-time.After(50 * time.Millisecond):
		}
	}
	if h.each != "" {
		time.Sleep(2 * time.Second) // for some of it
	}
	// What they have sent is read, as far as it ever is. Once more, for what comes
	// of it.
	for range 2 {
		for began := time.Now(); v.unread() > 0 && time.Since(began) < 2*time.Second; {
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// unread is how much waits in the server's sockets: bytes that it has not read,
// and connections that it has not accepted.
func (v *victim) unread() (n int64) {
	v.t.Helper()
	_, port, _ := strings.Cut(strings.TrimPrefix(v.API, "http://"), ":")
	at, err := strconv.Atoi(port)
	if err != nil {
		v.t.Fatal(err)
	}
	table, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		v.t.Fatal(err)
	}
	for line := range strings.Lines(string(table)) {
		// sl, local address:port, remote address:port, state, unsent:unread, …, in hex
		fields := strings.Fields(line)
		if len(fields) < 5 || !strings.HasSuffix(fields[1], fmt.Sprintf(":%04X", at)) {
			continue
		}
		_, waiting, _ := strings.Cut(fields[4], ":")
		bytes, err := strconv.ParseInt(waiting, 16, 64)
		if err != nil {
			v.t.Fatalf("%q: %v", line, err)
		}
		n += bytes
	}
	return n
}

// healthLatency asks on a connection of its own how long health takes.
func (v *victim) healthLatency() time.Duration {
	v.t.Helper()
	began := time.Now()
	c := v.dial()
	defer c.Close()
	fmt.Fprint(c, "GET /actuator/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		v.t.Fatalf("health: %v", err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		v.t.Errorf("health: %s", resp.Status)
	}
	return time.Since(began)
}
