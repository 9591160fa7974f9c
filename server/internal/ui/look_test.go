package ui_test

import (
	"context"
	"fmt"
	"math/rand"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"simplane/core"
)

// Every view, in both themes: all text has enough contrast, everything that
// can be used has a name, and nothing is wider than a phone.
func TestEveryViewIsReadable(t *testing.T) {
	p := startPlane(t)
	id := p.busy()
	views := []struct{ name, hash, ready string }{
		{"functions", "#/functions", `document.querySelectorAll('tbody tr').length === 4`},
		{"function", "#/functions/checkout", `document.querySelector('.chart .line.c0[d*="L"]') && document.querySelector('pre').innerText.includes('checkout')`},
		{"deadletters", "#/functions/mail", `document.querySelectorAll('section[aria-label="Dead letters"] tbody tr').length > 0`},
		{"executions", "#/executions", `document.querySelectorAll('tbody tr').length > 5`},
		{"execution", "#/executions/" + id, `document.querySelector('.attempts rect')`},
		{"unknown", "#/functions/checkou", `document.querySelector('h1')?.innerText.includes('There is no function')`},
		{"system", "#/system", `document.getElementById('journal')?.innerText !== ''`},
		{"config", "#/config", `document.querySelector('[name=rateMaxPerSecond]')`},
		{"reports", "#/reports", `document.querySelector('.drop')`},
	}
	pg := open(t, p, "", "400 (Bad Request)", "404 (Not Found)")
	if os.Getenv("SIMPLANE_SHOTS") != "" {
		pg.until("there is something to see", `Number(document.querySelector('.cards b').innerText) > 3 && performance.now() > 12000`)
	}
	for _, theme := range []string{"light", "dark"} {
		pg.theme(theme)
		for _, v := range views {
			pg.run(`location.hash = ` + fmt.Sprintf("%q", v.hash))
			pg.until(v.name+" is shown", v.ready)
			pg.check(theme + " " + v.name)
			pg.shot(theme + "-" + v.name)
		}
		pg.run(`location.hash = '#/functions'`)
		pg.click("Register a function")
		pg.run(`document.querySelector('dialog[open] button.primary').click()`)
		pg.until("errors are shown", `document.querySelector('dialog[open] [aria-invalid=true]')`)
		pg.check(theme + " register")
		pg.shot(theme + "-register")
		pg.run(`document.querySelector('dialog').close()`)
		pg.run(`location.hash = '#/functions/checkout'`)
		pg.click("Edit")
		pg.fill("Concurrency", "9")
		pg.click("Review")
		pg.until("the difference is shown", `document.querySelector('dialog[open] .diff .new')`)
		pg.check(theme + " edit")
		pg.shot(theme + "-edit")
		pg.run(`document.querySelector('dialog').close()`)
	}
	pg.do(chromedp.EmulateViewport(1400, 900))
	for _, v := range views {
		pg.run(`location.hash = ` + fmt.Sprintf("%q", v.hash))
		pg.until(v.name+" is shown", v.ready)
		pg.shot("wide-" + v.name)
	}
	pg.do(chromedp.EmulateViewport(360, 740))
	for _, v := range views {
		pg.run(`location.hash = ` + fmt.Sprintf("%q", v.hash))
		pg.until(v.name+" is shown", v.ready)
		if wide := eval[int](pg, `document.documentElement.scrollWidth`); wide > 360 {
			t.Errorf("%s is %d pixels wide on a screen of 360", v.name, wide)
		}
		pg.shot("narrow-" + v.name)
	}
}

// check reports text without contrast and controls without a name.
func (pg *page) check(where string) {
	pg.t.Helper()
	for _, problem := range eval[[]string](pg, readable) {
		pg.t.Errorf("%s: %s", where, problem)
	}
}

// readable lists what is hard to read or use. Contrast is that of WCAG 2: 4.5
// for text, 3 for large text.
const readable = `(() => {
	const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
	const rgba = color => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1); return [...canvas.getImageData(0, 0, 1, 1).data]; };
	const luminance = ([r, g, b]) => [r, g, b].map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
		.reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
	const background = el => {
		for (let e = el; e; e = e.parentElement) { const c = rgba(getComputedStyle(e).backgroundColor); if (c[3] === 255) return c; }
		return [255, 255, 255];
	};
	const problems = new Set();
	const root = document.querySelector('dialog[open]') ?? document.body;
	const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
	while (walker.nextNode()) {
		const text = walker.currentNode.data.trim(), el = walker.currentNode.parentElement;
		if (!text || !el.checkVisibility() || ['SCRIPT', 'NOSCRIPT', 'TITLE', 'OPTION'].includes(el.tagName)) continue;
		const style = getComputedStyle(el);
		const fg = luminance(rgba(el instanceof SVGElement ? style.fill : style.color)), bg = luminance(background(el));
		const ratio = (Math.max(fg, bg) + 0.05) / (Math.min(fg, bg) + 0.05);
		if (ratio < (parseFloat(style.fontSize) >= 24 ? 3 : 4.5)) problems.add('contrast ' + ratio.toFixed(2) + ' of "' + text.slice(0, 40) + '"');
	}
	for (const el of root.querySelectorAll('input, select, textarea')) if (!el.labels?.length) problems.add('no label: ' + el.outerHTML.slice(0, 80));
	for (const el of root.querySelectorAll('button, a')) if (!(el.innerText.trim() || el.getAttribute('aria-label'))) problems.add('no name: ' + el.outerHTML.slice(0, 80));
	for (const el of root.querySelectorAll('svg[role=img], [role=region], section[aria-label]')) if (!el.getAttribute('aria-label')) problems.add('no name: ' + el.outerHTML.slice(0, 80));
	// As axe has them: heading-order, tabindex, html-has-lang, document-title, landmark-one-main,
	// empty-table-header, scope-attr-valid, aria-hidden-focus, scrollable-region-focusable.
	let level = 0;
	for (const el of [...root.querySelectorAll('h1, h2, h3, h4')].filter(e => e.checkVisibility())) {
		const n = Number(el.tagName[1]);
		if (n > level + 1 && !(level === 0 && root !== document.body)) problems.add('heading ' + el.tagName + ' "' + el.innerText.slice(0, 30) + '" follows level ' + level);
		level = n;
	}
	for (const el of document.querySelectorAll('[tabindex]')) if (el.tabIndex > 0) problems.add('positive tabindex: ' + el.outerHTML.slice(0, 80));
	if (!document.documentElement.lang || !document.title) problems.add('no language or no title');
	if (document.querySelectorAll('main').length !== 1 || !document.querySelector('nav[aria-label]')) problems.add('not one main and a named nav');
	for (const el of root.querySelectorAll('th')) if (!el.innerText.trim() || !['col', 'row'].includes(el.scope)) problems.add('table header: ' + el.outerHTML.slice(0, 80));
	for (const el of root.querySelectorAll('[aria-hidden=true] a, [aria-hidden=true] button, [aria-hidden=true] input, [aria-hidden=true] [tabindex]')) problems.add('hidden and focusable: ' + el.outerHTML.slice(0, 80));
	for (const el of root.querySelectorAll('pre, div')) if (el.checkVisibility() && el.scrollHeight > el.clientHeight + 1 && ['auto', 'scroll'].includes(getComputedStyle(el).overflowY) && el.tabIndex < 0) problems.add('scrolls without focus: ' + el.outerHTML.slice(0, 80));
	const ids = [...document.querySelectorAll('[id]')].map(e => e.id);
	for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) problems.add('id twice: ' + id);
	for (const el of root.querySelectorAll('[aria-describedby]')) for (const id of el.getAttribute('aria-describedby').split(' ')) if (!document.getElementById(id)) problems.add('describedby nothing: ' + id);
	return [...problems];
})()`

// busy registers functions and keeps calling them until the test's end; the
// id is that of an execution that ended.
func (p *plane) busy() (id string) {
	for name, typical := range map[string]time.Duration{"checkout": 20 * time.Millisecond, "thumbnails": 60 * time.Millisecond, "search.v2": 3 * time.Millisecond} {
		p.HandleLocal(name, func(t core.Task) ([]byte, error) {
			time.Sleep(time.Duration(float64(typical) * (0.5 + rand.ExpFloat64())))
			if rand.Intn(20) == 0 {
				return nil, fmt.Errorf("upstream said no")
			}
			return t.Input, nil
		})
		p.local(name)
	}
	p.failing("mail", "smtp: connection refused by relay.example")
	for i := range 4 {
		p.call("POST", "/v1/functions/mail:enqueue", fmt.Sprintf(`{"input":{"to":"user%d@example.org","template":"welcome","n":%d}}`, i, i))
	}
	id = p.enqueue("thumbnails", `{"image":"cat.jpg","sizes":[64,256]}`)
	ctx, stop := context.WithCancel(context.Background())
	var callers sync.WaitGroup
	for i, name := range []string{"checkout", "checkout", "thumbnails", "search.v2", "search.v2"} {
		callers.Go(func() {
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for n := 0; ctx.Err() == nil; n++ {
				req, _ := http.NewRequestWithContext(ctx, "POST", "http://"+p.Addr()+"/v1/functions/"+name+":invoke", strings.NewReader(fmt.Sprintf(`{"input":{"caller":%d,"n":%d}}`, i, n)))
				if res, err := client.Do(req); err == nil {
					_ = res.Body.Close()
				}
			}
		})
	}
	p.t.Cleanup(func() { stop(); callers.Wait() })
	return id
}
