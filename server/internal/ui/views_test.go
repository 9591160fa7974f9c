package ui_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"simplane/server"
)

var idPattern = regexp.MustCompile(`"executionId":"([^"]+)"`)

func (p *plane) enqueue(name, input string) (id string) {
	p.t.Helper()
	return idPattern.FindStringSubmatch(p.call("POST", "/v1/functions/"+name+":enqueue", `{"input":`+input+`}`))[1]
}

func TestExecutionsAreSearchedAndFollowed(t *testing.T) {
	p := startPlane(t)
	release := p.blocking("slow")
	p.local("fast")
	p.failing("broken", "no")
	running := p.enqueue("slow", `"kept waiting"`)
	for range 3 {
		p.enqueue("broken", `1`)
	}
	p.call("POST", "/v1/functions/fast:invoke", `{"input":1}`)
	pg := open(t, p, "#/executions")
	pg.until("all are listed", `document.querySelectorAll('tbody tr').length === 5`)
	pg.fill("Status", "running")
	pg.click("Search")
	pg.until("one is running", `document.querySelectorAll('tbody tr').length === 1 && document.querySelector('tbody .badge.running')`)
	pg.fill("Status", "")
	pg.fill("Function", "broken")
	pg.click("Search")
	pg.until("three are of broken", `document.querySelectorAll('tbody tr').length === 3 && document.querySelectorAll('tbody .bar .end.error').length === 3`)
	pg.provokes("404 (Not Found)")
	pg.fill("Function", "nobody")
	pg.click("Search")
	pg.says("NOT_FOUND")

	pg.fill("Id", running)
	pg.click("Search")
	pg.until("it is shown as running", `document.querySelector('dl .badge.running')`)
	release()
	pg.until("its end is shown by itself", `document.querySelector('dl .badge.success')`)
	pg.says("kept waiting")
	if n := eval[float64](pg, `document.querySelector('.attempts .running.success').width.baseVal.value`); n <= 500 {
		t.Errorf("the attempt is %v of 1000 wide; it took nearly all of the time", n)
	}
	pg.run(`location.hash = '#/executions/' + 'no-such-id'`)
	pg.says("There is no such execution")
}

func TestAPausingExecutionIsShownAndCancelled(t *testing.T) {
	p := startPlane(t)
	p.failing("broken", "<b>no</b>")
	spec := p.call("GET", "/v1/functions/broken", "")
	spec = strings.NewReplacer(`"maxRetries":0`, `"maxRetries":5`, `"initialMs":100`, `"initialMs":600000`, `"maxMs":10000`, `"maxMs":600000`).Replace(spec)
	p.call("PUT", "/v1/functions/broken", spec)
	pg := open(t, p, "#/executions/"+p.enqueue("broken", `1`))
	pg.says("Next attempt")
	pg.says("<b>no</b>")
	pg.until("the failed attempt is listed", `document.querySelectorAll('section tbody tr').length === 1`)
	pg.click("Cancel execution")
	pg.until("it is asked", `document.querySelector('dialog[open] .danger')`)
	pg.run(`document.querySelector('dialog[open] .danger').click()`)
	pg.until("it has ended", `document.querySelector('dl .badge.error')`)
	pg.says("CANCELLED")
	pg.until("there is nothing left to cancel", `[...document.querySelectorAll('button')].find(b => b.textContent === 'Cancel execution').hidden`)
}

func TestOlderExecutionsAreAddedBelow(t *testing.T) {
	p := startPlane(t)
	p.local("many")
	for range 60 {
		p.call("POST", "/v1/functions/many:invoke", `{"input":1}`)
	}
	pg := open(t, p, "#/executions?function=many")
	pg.until("a page is full", `document.querySelectorAll('tbody tr').length === 50`)
	pg.click("Older")
	pg.until("the rest is shown too", `document.querySelectorAll('tbody tr').length === 60`)
}

func TestSettingsAreCheckedSavedAndGuarded(t *testing.T) {
	p := startPlane(t)
	pg := open(t, p, "#/config")
	pg.provokes("409 (Conflict)", "422 (Unprocessable", "400 (Bad Request)")
	pg.fill("Rate limit", "5000")
	pg.fill("Longest estimated wait", "PT1.5S")
	pg.fill("Longest real wait", "PT1.5S")
	pg.click("Check only")
	pg.says("These values are valid. Nothing is changed yet.")
	config := func() string { return p.call("GET", "/v1/admin/runtime-config", "") }
	if c := config(); regexp.MustCompile(`"rateMaxPerSecond":5000`).MatchString(c) {
		t.Errorf("checking changed it: %s", c)
	}
	pg.click("Save")
	pg.says("Saved as revision")
	if c := config(); !regexp.MustCompile(`"rateMaxPerSecond":5000,.*"syncQueueMaxQueueWait":"PT1.5S"`).MatchString(c) {
		t.Errorf("saved as %s", c)
	}
	pg.click("Save")
	pg.says("Nothing is changed.")

	wrong := func(name, want string) {
		t.Helper()
		pg.until("the error of "+name+" is beside it", fmt.Sprintf(
			`document.querySelector('[name=%s]')?.closest('.field').querySelector('.problem').innerText.includes(%q)`, name, want))
	}
	pg.fill("Rate limit", "-1")
	pg.click("Save")
	wrong("rateMaxPerSecond", "must be 0")
	pg.fill("Rate limit", "lots")
	pg.click("Save")
	wrong("rateMaxPerSecond", "must be a whole number")
	pg.fill("Rate limit", "5000")
	pg.fill("Longest real wait", "soon")
	pg.click("Save")
	wrong("syncQueueMaxQueueWait", "ISO 8601")

	// Somebody else was faster.
	revision := regexp.MustCompile(`"revision":(\d+)`).FindStringSubmatch(config())[1]
	p.call("PATCH", "/v1/admin/runtime-config", `{"expectedRevision":`+revision+`,"rateMaxPerSecond":7}`)
	pg.fill("Longest real wait", "PT3S")
	pg.click("Save")
	pg.says("REVISION_CONFLICT")
	pg.click("Read again")
	pg.until("the other's value is shown", `document.querySelector('[name=rateMaxPerSecond]').value === '7'`)
}

func TestATokenIsAskedForAndKeptInTheTab(t *testing.T) {
	p := startPlane(t, func(c *server.Config) { c.InternalToken = "sesame" })
	pg := open(t, p, "", "401 (Unauthorized)")
	pg.says("The server asks for a token.", "token needed")
	pg.fill("Bearer token", "wrong")
	pg.click("Use token")
	pg.until("the dialog is closed", `!document.querySelector('dialog')`)
	pg.says("token needed")
	pg.click("Token")
	pg.fill("Bearer token", "sesame")
	pg.click("Use token")
	pg.says("connected", "No function is registered yet.")
	if kept := eval[[]string](pg, `[JSON.stringify(sessionStorage), JSON.stringify(localStorage), document.cookie]`); kept[0] != `{"simplane-token":"sesame"}` || kept[1] != "{}" || kept[2] != "" {
		t.Errorf("kept: %v", kept)
	}
	pg.run(`location.reload()`)
	pg.until("it is connected after a reload", `document.getElementById('health')?.textContent === 'connected'`)
}

// A server that goes away is reported, and found again without a reload.
func TestTheConnectionIsReported(t *testing.T) {
	p := startPlane(t)
	pg := open(t, p, "")
	pg.says("connected")
	pg.provokes("Failed to load resource", "net::ERR")
	pg.run(`globalThis.kept = fetch; globalThis.fetch = () => Promise.reject(new TypeError('away'))`)
	pg.says("no connection")
	pg.run(`globalThis.fetch = kept`)
	pg.says("connected")
}
