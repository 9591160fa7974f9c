package ui_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// openFile picks a file in the page's file input.
func (pg *page) openFile(name, text string) {
	pg.t.Helper()
	file := filepath.Join(pg.t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		pg.t.Fatal(err)
	}
	pg.do(chromedp.SetUploadFiles(chromedp.CSS("#report-file"), []string{file}))
}

func TestResultsAndEventLogsAreOpened(t *testing.T) {
	pg := open(t, startPlane(t), "#/reports")
	pg.openFile("result.json", `{"kind":"http","passed":true,"misses":["one","two"],
		"http":{"throughput":1234.5678,"latency":{"p99Ms":4.25},"statuses":{"200":9},
		"series":[{"at":1,"rate":10,"p50Ms":1,"p99Ms":2},{"at":2,"rate":20,"p50Ms":1,"p99Ms":3},{"at":3,"rate":15,"p50Ms":1,"p99Ms":3},{"at":4,"rate":15,"p50Ms":1,"p99Ms":3}],
		"targets":[{"name":"<i>x</i>","weight":1}]}}`)
	pg.says("passed", "1234.6", "p99 (ms)", "<i>x</i>")
	pg.until("rate and milliseconds are drawn", `document.querySelectorAll('.chart').length === 2 && document.querySelectorAll('.chart .plot .line[d*="L"]').length === 3`)
	pg.shot("report-json")

	pg.openFile("result.json", `{"scenario":"first","checks":[{"check":"a","holds":true}],"counts":{"f":{"ok":1},"g":{"ok":2}}}
{"scenario":"second","checks":[{"check":"a","holds":true},{"check":"b","holds":false}]}
`)
	pg.says("first", "second", "passed", "failed")
	pg.until("alike objects are rows of one table", `[...document.querySelectorAll('.scroll')].some(t => t.getAttribute('aria-label') === 'Counts' && t.querySelectorAll('tbody tr').length === 2)`)

	pg.openFile("events.jsonl", `{"t":0.5,"event":"accept","function":"f","execution":1}
{"t":0.6,"event":"dispatch","function":"f","execution":1}
{"t":0.9,"event":"end","function":"f","execution":1,"detail":"success"}
{"t":1.5,"event":"accept","function":"f","execution":2}
{"t":1.6,"event":"reject","detail":"code=QUEUE_FULL"}
`)
	pg.says("5 of 5 events", "code=QUEUE_FULL")
	pg.fill("Event", "accept")
	pg.says("2 of 5 events")
	pg.fill("Event", "")
	pg.fill("Contains", "#1")
	pg.says("3 of 5 events")

	pg.openFile("events.jsonl", "{\"t\":1,\"event\":\"a\"}\noops\n")
	pg.says("events.jsonl: line 2:")
	pg.openFile("result.json", `3`)
	pg.says("this is no report")
}

// A report file may come from anywhere: it is drawn, but it runs nothing and
// calls nobody.
func TestAnHTMLReportIsHarmless(t *testing.T) {
	var calls atomic.Int64
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { calls.Add(1) }))
	defer elsewhere.Close()
	p := startPlane(t)
	pg := open(t, p, "#/reports", "Content Security Policy", "sandboxed", "Blocked script", "violates")
	hostile := strings.ReplaceAll(`<script>document.title = 'owned'; parent.document.title = 'owned'; fetch('URL')</script>
<img src="URL/leak.png" onerror="document.title = 'owned'"><link rel="stylesheet" href="URL/x.css"><link rel="prefetch" href="URL">
<svg><script>document.title = 'owned'</script></svg><iframe src="URL"></iframe><object data="URL"></object><video src="URL"></video>
<form action="URL" method="post"><button>x</button></form>`, "URL", elsewhere.URL)

	pg.openFile("report.html", `<!doctype html><title>r</title><style>body{background:rgb(1,2,3);color:#fff}</style><h1>A fine report</h1>`+hostile)
	frame := pg.frame()
	frame.until("the report is drawn", `document.querySelector('h1')?.innerText === 'A fine report' && document.querySelector('form')`)
	frame.until("its own styles apply", `getComputedStyle(document.body).backgroundColor === 'rgb(1, 2, 3)'`)
	frame.run(`document.querySelector('form').submit()`)
	if got := eval[string](frame, `document.title + ' ' + self.origin`); got != "r null" {
		t.Errorf("title and origin are %q: a script ran, or the origin is not its own", got)
	}
	for what, js := range map[string]string{
		"read the page around it": `try { parent.document.title; 'reached' } catch { 'refused' }`,
		"read the token":          `try { sessionStorage.length; 'reached' } catch { 'refused' }`,
		"call the API":            `fetch('/v1/functions').then(() => 'reached', () => 'refused')`,
	} {
		if got := eval[string](frame, js); got != "refused" {
			t.Errorf("the report could %s", what)
		}
	}
	pg.shot("report-html")

	// Leaving for elsewhere is stopped too: the frame is empty then.
	pg.openFile("report.html", `<!doctype html><meta http-equiv="refresh" content="0;url=`+elsewhere.URL+`/away"><h1>Leaving</h1>`)
	pg.complains("frame-src 'self'")
	pg.openFile("result.json", `{"passed":true}`)
	pg.says("passed")
	if title := eval[string](pg, `document.title`); title != "Reports · simplane" {
		t.Errorf("the page's title is %q", title)
	}
	if n := calls.Load(); n != 0 {
		t.Errorf("%d requests went elsewhere", n)
	}
	if _, err := http.Get(elsewhere.URL); err != nil || calls.Load() != 1 {
		t.Errorf("the counter does not count: %v", err)
	}
}

// frame is the report's frame, which Chromium runs in a process of its own.
func (pg *page) frame() *page {
	pg.t.Helper()
	for {
		infos, err := chromedp.Targets(pg.ctx)
		if err != nil {
			pg.t.Fatal(err)
		}
		for _, info := range infos {
			if info.Type == "iframe" && strings.HasPrefix(info.URL, pg.origin) {
				ctx, cancel := chromedp.NewContext(pg.ctx, chromedp.WithTargetID(info.TargetID))
				pg.t.Cleanup(cancel)
				return &page{t: pg.t, plane: pg.plane, ctx: ctx, origin: pg.origin}
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
}
