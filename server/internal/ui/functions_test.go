package ui_test

import (
	"fmt"
	"strings"
	"testing"
)

func TestRegisterInvokeAndSeeTheChartMove(t *testing.T) {
	p := startPlane(t)
	pg := open(t, p, "")
	pg.says("No function is registered yet.")
	pg.click("Register a function")
	pg.fill("Name", "hello")
	pg.fill("Execution mode", "LOCAL")
	pg.fill("Concurrency", "2")
	pg.click("Register")
	pg.until("the function's page is shown", `location.hash === '#/functions/hello' && document.querySelector('h1').innerText === 'hello'`)
	if spec := p.call("GET", "/v1/functions/hello", ""); !strings.Contains(spec, `"concurrency":2`) {
		t.Errorf("registered as %s", spec)
	}

	line := `document.querySelector('.chart .line.c0[d*="L"]')?.getAttribute('d')`
	pg.until("the chart has a line", line)
	before := eval[string](pg, line)
	// The figure is the largest ever seen in the chart's line, so that a poll
	// that comes late does not miss it.
	pg.run(`globalThis.most = 0; new MutationObserver(() => {
		most = Math.max(most, parseFloat(document.querySelector('.chart .legend b').innerText) || 0);
	}).observe(document.querySelector('.chart'), {subtree: true, childList: true, characterData: true})`)
	pg.fill("Input (JSON)", `{"big": 12345678901234567890, "text": "<b>bold</b>"}`)
	pg.click("Invoke")
	pg.says("success", `"big": 12345678901234567890`, `"text": "<b>bold</b>"`)
	pg.until("the chart's figure has moved", `most > 0`)
	pg.until("the chart's line has moved", line+` !== `+fmt.Sprintf("%q", before))
}

func TestErrorsAreShown(t *testing.T) {
	p := startPlane(t)
	p.failing("broken", "the database is away")
	pg := open(t, p, "#/functions/broken")
	pg.provokes("400 (Bad Request)", "409 (Conflict)")

	pg.fill("Input (JSON)", "{oops")
	pg.click("Invoke")
	pg.until("the input is marked", `document.querySelector('textarea').getAttribute('aria-invalid') === 'true' && document.activeElement.tagName === 'TEXTAREA'`)

	pg.fill("Input (JSON)", "null")
	pg.click("Invoke")
	pg.says("input must not be null")

	pg.fill("Input (JSON)", "{}")
	pg.fill("Timeout (ms)", "soon")
	pg.click("Invoke")
	pg.says(`must be a whole number of milliseconds`)
	pg.fill("Timeout (ms)", "")

	pg.click("Invoke")
	pg.says("POOL_ERROR")
	pg.until("the status is shown", `document.querySelector('.result .badge.error')`)

	// The server's validation lands beside the fields.
	pg.run(`location.hash = '#/functions'`)
	pg.click("Register a function")
	pg.fill("Name", "no spaces allowed")
	pg.fill("Concurrency", "0")
	pg.click("Register")
	for name, want := range map[string]string{"name": "must be 1 to 128 letters", "image": "is required where", "concurrency": "must be greater than 0"} {
		pg.until("the error of "+name+" is beside it", fmt.Sprintf(
			`(c => c.getAttribute('aria-invalid') === 'true' && document.getElementById(c.getAttribute('aria-describedby').split(' ').at(-1)).innerText.includes(%q))(document.querySelector('dialog[open] [name=%s]'))`, want, name))
	}
	pg.fill("Name", "broken")
	pg.fill("Image", "none")
	pg.fill("Execution mode", "LOCAL")
	pg.fill("Concurrency", "many")
	pg.click("Register")
	pg.says("must be a whole number")
	pg.fill("Concurrency", "")
	pg.click("Register")
	pg.says("already registered")
}

func TestADeadLetterIsRedriven(t *testing.T) {
	p := startPlane(t)
	broken := p.failing("mail", `<img src="x" onerror="document.title = 'owned'"> no route`)
	pg := open(t, p, "#/functions/mail")
	pg.says("no execution has run out of retries")
	p.call("POST", "/v1/functions/mail:enqueue", `{"input":{"to":"ada"}}`)
	p.call("POST", "/v1/functions/mail:enqueue", `{"input":{"to":"<script>document.title = 'owned'</script>"}}`)
	pg.until("both are listed by themselves", `document.querySelectorAll('section[aria-label="Dead letters"] tbody tr').length === 2`)
	pg.says(`{"to":"ada"}`, "POOL_ERROR", `<img src="x"`, `<script>document`)
	if n := eval[int](pg, `document.querySelectorAll('main img, main script').length`); n != 0 {
		t.Errorf("text became %d elements", n)
	}

	broken.Store(false)
	pg.run(`[...document.querySelectorAll('section[aria-label="Dead letters"] tbody tr')].find(r => r.innerText.includes('ada')).querySelector('button').click()`)
	pg.says("Submitted again:")
	pg.until("one is left", `document.querySelectorAll('section[aria-label="Dead letters"] tbody tr').length === 1`)
	pg.until("the new execution succeeded", `document.querySelector('section[aria-label="Dead letters"] p[role=status] a')`)
	pg.run(`document.querySelector('section[aria-label="Dead letters"] p[role=status] a').click()`)
	pg.until("it is a success", `document.querySelector('.badge.success')`)
	pg.says(`"recovered"`)

	pg.run(`history.back()`)
	pg.click("Drop all")
	pg.click("Drop them")
	pg.says("no execution has run out of retries")
	if left := p.call("GET", "/v1/functions/mail/dead-letters", ""); !strings.Contains(left, `"deadLetters":[]`) {
		t.Errorf("left: %s", left)
	}
}

// A function that is deleted elsewhere disappears, and deleting asks first.
func TestFunctionsComeAndGo(t *testing.T) {
	p := startPlane(t)
	p.local("one")
	p.local("two")
	pg := open(t, p, "#/functions")
	pg.until("both are listed", `document.querySelectorAll('tbody tr').length === 2`)
	p.call("DELETE", "/v1/functions/two", "")
	pg.until("one is left", `document.querySelectorAll('tbody tr').length === 1`)
	pg.click("one")
	pg.click("Delete")
	pg.says("Its queued work ends in error.")
	pg.click("Cancel")
	p.call("GET", "/v1/functions/one", "")
	pg.click("Delete")
	pg.run(`document.querySelector('dialog[open] .danger').click()`)
	pg.says("No function is registered yet.")
}

// A function has no percentiles before its first call, and they are there after it.
func TestThePercentilesOfAFirstCall(t *testing.T) {
	p := startPlane(t)
	p.local("quiet")
	pg := open(t, p, "#/functions")
	pg.until("it is listed", `document.querySelectorAll('tbody tr').length === 1`)
	cells := `[...document.querySelectorAll('tbody tr td, tbody tr th')].map(c => c.innerText)`
	if row := eval[[]string](pg, cells); len(row) != 12 || row[9] != "–" {
		t.Fatalf("before the first call: %q", row)
	}
	p.call("POST", "/v1/functions/quiet:invoke", `{"input":1}`)
	pg.run(`globalThis.seen = false; new MutationObserver(() => { seen ||= ` + cells + `.slice(9, 11).every(text => /^[0-9.]+/.test(text)); }).observe(document.querySelector('tbody'), {subtree: true, childList: true, characterData: true})`)
	pg.until("p50 and p99 were shown", `seen`)
}
