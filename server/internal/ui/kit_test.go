package ui_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"simplane/core"
	"simplane/server"
)

// hangGuard ends a test that waits for something that never comes.
const hangGuard = time.Minute

// plane is a running server.
type plane struct {
	*server.Server
	t *testing.T
}

func startPlane(t *testing.T, change ...func(*server.Config)) *plane {
	t.Helper()
	cfg := server.DefaultConfig()
	cfg.Addr, cfg.MgmtAddr = "127.0.0.1:0", "127.0.0.1:0"
	cfg.Core.RateMaxPerSecond = 0
	for _, c := range change {
		c(&cfg)
	}
	s, err := server.New(cfg, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			t.Errorf("shutdown: %v", err)
		}
	})
	return &plane{s, t}
}

// call sends a request past the browser.
func (p *plane) call(method, path, body string) string {
	p.t.Helper()
	req, err := http.NewRequest(method, "http://"+p.MgmtAddr()+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	req.Close = true
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	raw, _ := io.ReadAll(res.Body)
	if res.StatusCode >= 300 {
		p.t.Fatalf("%s %s: %d %s", method, path, res.StatusCode, raw)
	}
	return string(raw)
}

func (p *plane) local(name string) {
	p.t.Helper()
	p.call("POST", "/v1/functions", fmt.Sprintf(`{"name":%q,"image":"none","executionMode":"LOCAL"}`, name))
}

// failing registers a POOL function whose endpoint fails while broken, with a
// message of its choice.
func (p *plane) failing(name, message string) (broken *atomic.Bool) {
	p.t.Helper()
	broken = &atomic.Bool{}
	broken.Store(true)
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if broken.Load() {
			http.Error(w, message, http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `"recovered"`)
	}))
	p.t.Cleanup(endpoint.Close)
	p.call("POST", "/v1/functions", fmt.Sprintf(`{"name":%q,"image":"none","executionMode":"POOL","endpointUrl":%q,"maxRetries":0}`, name, endpoint.URL))
	return broken
}

// blocking registers a LOCAL function that answers when released.
func (p *plane) blocking(name string) (release func()) {
	gate := make(chan struct{})
	p.HandleLocal(name, func(t core.Task) ([]byte, error) { <-gate; return t.Input, nil })
	p.local(name)
	release = sync.OnceFunc(func() { close(gate) })
	p.t.Cleanup(release)
	return release
}

// browser is one headless Chromium for all tests of the package.
var browser struct {
	sync.Once
	ctx  context.Context
	stop func()
	err  error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if browser.stop != nil {
		browser.stop()
	}
	os.Exit(code)
}

// chromium finds the browser; SIMPLANE_CHROMIUM names one that is elsewhere.
func chromium() string {
	for _, name := range []string{os.Getenv("SIMPLANE_CHROMIUM"), "chromium", "chromium-browser", "google-chrome-stable", "google-chrome"} {
		if name == "" {
			continue
		}
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

func startBrowser(path string) {
	dir, err := os.MkdirTemp("", "simplane-chromium-")
	if err != nil {
		browser.err = err
		return
	}
	options := []chromedp.ExecAllocatorOption{chromedp.ExecPath(path), chromedp.UserDataDir(dir), chromedp.WindowSize(1280, 900)}
	for _, flag := range []string{"headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking", "disable-component-update", "disable-sync", "hide-scrollbars", "disable-dev-shm-usage"} {
		options = append(options, chromedp.Flag(flag, true))
	}
	allocator, stopAllocator := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, stop := chromedp.NewContext(allocator)
	browser.ctx = ctx
	browser.stop = func() {
		_ = chromedp.Cancel(ctx) // waits until the process has ended
		stop()
		stopAllocator()
		_ = os.RemoveAll(dir)
	}
	browser.err = chromedp.Do(ctx) // starts it
}

// page is a tab that shows the dashboard of a plane.
type page struct {
	t      *testing.T
	plane  *plane
	ctx    context.Context
	origin string

	mu       sync.Mutex
	problems []string
	messages []string // the problems, and the console errors that were provoked
	allowed  []string // parts of console messages that the test provokes
}

// open shows the dashboard at a hash. At the test's end, whatever went wrong
// in the page unseen (an exception, a violation of the content policy, a
// request to anywhere but the plane) fails the test, but for
// the console errors that it provokes.
func open(t *testing.T, p *plane, hash string, provokes ...string) *page {
	t.Helper()
	path := chromium()
	if path == "" {
		t.Skip("no Chromium found: install it (Debian: apt-get install chromium) or name it in SIMPLANE_CHROMIUM")
	}
	browser.Do(func() { startBrowser(path) })
	if browser.err != nil {
		t.Fatalf("%s does not start: %v", path, browser.err)
	}
	tab, cancel := chromedp.NewContext(browser.ctx)
	ctx, cancelGuard := context.WithTimeout(tab, hangGuard)
	pg := &page{t: t, plane: p, ctx: ctx, origin: "http://" + p.MgmtAddr(), allowed: provokes}
	if err := chromedp.Listen(tab, pg.listen); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			pg.shot("failed-" + strings.ReplaceAll(t.Name(), "/", "-"))
		}
		pg.mu.Lock()
		for _, problem := range pg.problems {
			t.Error(problem)
		}
		pg.mu.Unlock()
		cancelGuard()
		cancel()
	})
	command(pg, network.Enable, network.EnableParams{})
	command(pg, log.Enable, cdp.Empty{})
	command(pg, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true}) // a tab in the background
	pg.do(chromedp.Navigate(pg.origin + "/ui/" + hash))
	pg.until("the page is connected", `document.getElementById('health').textContent !== ''`)
	return pg
}

func (pg *page) listen(event any) {
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		text := e.ExceptionDetails.Text
		if e.ExceptionDetails.Exception != nil {
			text += " " + e.ExceptionDetails.Exception.Description
		}
		pg.problem("exception in the page: " + text)
	case *log.EventEntryAdded:
		if e.Entry.Level == "error" {
			pg.problem("error in the page: " + e.Entry.Text + " " + e.Entry.URL)
		}
	case *network.EventRequestWillBeSent:
		if u := e.Request.URL; !strings.HasPrefix(u, pg.origin+"/") && !strings.HasPrefix(u, "data:") {
			pg.problem("request to elsewhere: " + u)
		}
	}
}

func (pg *page) problem(text string) {
	pg.mu.Lock()
	defer pg.mu.Unlock()
	pg.messages = append(pg.messages, text)
	for _, part := range pg.allowed {
		if strings.Contains(text, part) {
			return
		}
	}
	pg.problems = append(pg.problems, text)
}

// complains waits until the console has an error with this text.
func (pg *page) complains(part string) {
	pg.t.Helper()
	for pg.ctx.Err() == nil {
		pg.mu.Lock()
		found := slices.ContainsFunc(pg.messages, func(m string) bool { return strings.Contains(m, part) })
		pg.mu.Unlock()
		if found {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	pg.t.Fatalf("the console never said %q, but %q", part, pg.messages)
}

// provokes names console errors that the test means to cause.
func (pg *page) provokes(parts ...string) {
	pg.mu.Lock()
	defer pg.mu.Unlock()
	pg.allowed = append(pg.allowed, parts...)
}

func (pg *page) do(actions ...chromedp.Action[chromedp.Void]) {
	pg.t.Helper()
	if err := chromedp.Do(pg.ctx, actions...); err != nil {
		pg.t.Fatal(err)
	}
}

// command sends a command of the DevTools protocol.
func command[P, R any](pg *page, cmd cdp.Command[P, R], params P) {
	pg.t.Helper()
	if _, err := chromedp.Call(pg.ctx, cmd, params); err != nil {
		pg.t.Fatal(err)
	}
}

// run executes statements in the page.
func (pg *page) run(js string) {
	pg.t.Helper()
	pg.do(chromedp.Evaluate[chromedp.Void](js))
}

// eval runs an expression in the page.
func eval[T any](pg *page, js string) T {
	pg.t.Helper()
	v, err := chromedp.Run(pg.ctx, chromedp.Evaluate[T](js, chromedp.EvalAwaitPromise))
	if err != nil {
		pg.t.Fatalf("%s: %v", js, err)
	}
	return v
}

// until polls a condition in the page. (chromedp's own polling needs eval,
// which the page's policy forbids.)
func (pg *page) until(what, js string) {
	pg.t.Helper()
	for {
		met, err := chromedp.Run(pg.ctx, chromedp.Evaluate[bool]("Boolean("+js+")"))
		if err != nil {
			pg.t.Fatalf("waiting until %s: %v\nthe page says:\n%s", what, err, pg.text())
		}
		if met {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// text is what the page says, for a failure's message.
func (pg *page) text() (text string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(pg.ctx), 5*time.Second)
	defer cancel()
	text, _ = chromedp.Run(ctx, chromedp.Evaluate[string](`document.body.innerText`))
	return text
}

// says waits until the page's visible text has each of want.
func (pg *page) says(want ...string) {
	pg.t.Helper()
	for _, text := range want {
		pg.until(fmt.Sprintf("the page says %q", text), fmt.Sprintf(`document.body.innerText.includes(%q)`, text))
	}
}

// click clicks the button or link with this text, once it is there.
func (pg *page) click(text string) {
	pg.t.Helper()
	find := fmt.Sprintf(`[...document.querySelectorAll('dialog[open] button, dialog[open] a')].concat(document.querySelector('dialog[open]') ? [] : [...document.querySelectorAll('button, a')]).find(b => b.innerText.trim() === %q && b.checkVisibility())`, text)
	pg.until("there is a "+text, find)
	pg.run(find + `.click()`)
}

// fill sets a field by its label, as typing does.
func (pg *page) fill(label, value string) {
	pg.t.Helper()
	find := fmt.Sprintf(`[...document.querySelectorAll('label')].filter(l => l.checkVisibility()).find(l => l.innerText.replace(' *', '').trim() === %q)?.control`, label)
	pg.until("there is a field "+label, find)
	pg.run(fmt.Sprintf(`{ const c = %s; c.value = %q; c.dispatchEvent(new Event("input", {bubbles: true})); c.dispatchEvent(new Event("change", {bubbles: true})); }`, find, value))
}

// theme makes the page think the system prefers light or dark.
func (pg *page) theme(scheme string) {
	pg.t.Helper()
	command(pg, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}})
}

// shot keeps a picture of the whole page in $SIMPLANE_SHOTS, if that is set.
func (pg *page) shot(name string) {
	pg.t.Helper()
	dir := os.Getenv("SIMPLANE_SHOTS")
	if dir == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(pg.ctx), 5*time.Second)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		pg.t.Logf("no screenshot: %v", err)
		return
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o600); err != nil {
		pg.t.Log(err)
	}
}
