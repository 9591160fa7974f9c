package abuse

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// Bounds of what scrapes without a token may cost.
const (
	scrapesBound      = 48 * mib  // 20 at once, 1,500 functions that were called
	manyScrapesBound  = 100 * mib // 20 at once, 10,000 functions that were not
	slowScrapesBound  = 48 * mib  // 300 that are never read
	quietPageBound    = 10e6      // bytes of the page of 10,000
	callsDuringScrape = 50        // that must be answered meanwhile
)

func (v *victim) registerMany(n int, call bool) {
	v.t.Helper()
	for i := range n {
		v.register(fmt.Sprintf(`{"name":"function-%d","image":"i","executionMode":"LOCAL"}`, i))
		if call {
			v.call("POST", fmt.Sprintf("%s/v1/functions/function-%d:invoke", v.API, i), `{"input":1}`)
		}
	}
}

// scrape asks for the metrics as many at once. Who has waited too long for one of the places,
// on a slow machine, is told to ask again, and does.
func (v *victim) scrape(scrapes int, headers ...string) (size int) {
	var all sync.WaitGroup
	var mu sync.Mutex
	for range scrapes {
		all.Go(func() {
			a := v.call("GET", v.API+"/actuator/prometheus", "", headers...)
			for deadline := time.Now().Add(hangGuard); a.Status == http.StatusServiceUnavailable && strings.Contains(string(a.Body), "SCRAPES_BUSY") && time.Now().Before(deadline); {
				a = v.call("GET", v.API+"/actuator/prometheus", "", headers...)
			}
			mu.Lock()
			defer mu.Unlock()
			if size = len(a.Body); a.Status != http.StatusOK || size == 0 {
				v.t.Errorf("scrape: %d with %d bytes: %.200s", a.Status, size, a.Body)
			}
		})
	}
	for range callsDuringScrape {
		v.healthy()
	}
	all.Wait()
	return size
}

func TestScrapesAtOnceAreBounded(t *testing.T) {
	v := start(t)
	v.registerMany(1500, true)
	v.scrape(1)
	grown := v.peakGrowth(func() { v.scrape(20, "Accept-Encoding", "identity") })
	v.atMost("20 scrapes at once of 1,500 functions", grown, scrapesBound)
	grown = v.peakGrowth(func() { v.scrape(20, "Accept-Encoding", "gzip") })
	v.atMost("20 compressed scrapes at once of 1,500 functions", grown, scrapesBound)
}

func TestScrapesOfManyQuietFunctions(t *testing.T) {
	v := start(t)
	v.registerMany(10_000, false)
	grown := v.peakGrowth(func() {
		if size := v.scrape(20, "Accept-Encoding", "identity"); size > quietPageBound {
			t.Errorf("a page of 10,000 functions that were never called has %d bytes, %.0f are allowed", size, quietPageBound)
		}
	})
	v.atMost("20 scrapes at once of 10,000 functions", grown, manyScrapesBound)
}

// Whoever asks and does not read keeps neither memory nor the scrapes of the
// other port.
func TestScrapesThatAreNotRead(t *testing.T) {
	const connections = 300
	v := start(t)
	v.registerMany(1500, true) // a page that no socket buffer holds
	grown := v.peakGrowth(func() {
		for range connections {
			fmt.Fprint(v.dial(), "GET /actuator/prometheus HTTP/1.1\r\nHost: x\r\n\r\n")
		}
		time.Sleep(time.Second) // they are being answered
		v.healthy()
		a := v.call("GET", v.Mgmt+"/actuator/prometheus", "")
		if a.Status != http.StatusOK || !strings.Contains(string(a.Body), "function_enqueue_total{") {
			t.Errorf("metrics on the management port: %d", a.Status)
		}
	})
	v.atMost(fmt.Sprint(connections, " scrapes that are not read"), grown, slowScrapesBound)
}
