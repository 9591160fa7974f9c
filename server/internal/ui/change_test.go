package ui_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"simplane/server"
)

var changes = `[...document.querySelectorAll('dialog[open] .diff .gone, dialog[open] .diff .new')].map(e => e.textContent.replace(/^(removed|added): /, '').trim()).join(' | ')`

// A function is changed by the form and as YAML, after a look at the difference; what is
// wrong is said, and somebody else's change is not lost.
func TestAFunctionIsEditedAfterALookAtTheDifference(t *testing.T) {
	p := startPlane(t)
	p.local("price")
	pg := open(t, p, "#/functions/price", "400 (Bad Request)", "409 (Conflict)")
	spec := func() string { return p.call("GET", "/v1/functions/price", "") }
	pg.click("Edit")
	pg.until("only what the mode has is asked for", `document.querySelector('dialog[open] [name=concurrency]')?.checkVisibility() && !document.querySelector('dialog[open] [name=commands]').checkVisibility()`)
	pg.click("Review")
	pg.says("Nothing is changed.")
	pg.fill("Concurrency", "9")
	pg.click("Review")
	pg.until("the difference is shown", changes+` === '- concurrency: 4 | + concurrency: 9'`)
	if !strings.Contains(spec(), `"concurrency":4`) {
		t.Error("a review has changed it")
	}
	pg.click("Apply")
	pg.until("the dialog is closed", `!document.querySelector('dialog')`)
	pg.says("concurrency: 9")
	if !strings.Contains(spec(), `"concurrency":9`) {
		t.Errorf("applied: %s", spec())
	}

	pg.click("Edit")
	pg.click("Edit as YAML")
	text := `document.querySelector('dialog[open] [name=yaml]').value`
	pg.until("the spec is there as YAML", text+`.includes('concurrency: 9')`)
	pg.fill("Spec as YAML", "name: price\nexecutionMode: LOCAL\nconcurency: 3\n")
	pg.click("Review")
	pg.says("line 3", "concurency", "did you mean")
	pg.fill("Spec as YAML", "name: price\nexecutionMode: LOCAL\nconcurrency: 3\nqueueSize: 7\n")
	pg.click("Review")
	pg.until("the difference is shown", changes+`.includes('+ queueSize: 7')`)

	// Somebody else is faster.
	p.call("PUT", "/v1/functions/price", `{"executionMode":"LOCAL","concurrency":9,"maxRetries":8}`)
	pg.click("Apply")
	pg.says("Somebody else has changed price")
	pg.until("their change is shown", changes+`.includes('+ maxRetries: 8')`)
	if !strings.Contains(spec(), `"maxRetries":8`) {
		t.Error("the other's change is gone")
	}
	pg.click("Review")
	pg.until("it is the difference to theirs now", changes+`.includes('- maxRetries: 8')`)
	pg.click("Apply")
	pg.until("the dialog is closed", `!document.querySelector('dialog')`)
	if !strings.Contains(spec(), `"queueSize":7`) {
		t.Errorf("applied: %s", spec())
	}

	// An earlier spec comes back.
	pg.until("the revisions are listed", `document.querySelectorAll('section[aria-label=Revisions] tbody tr').length === 4`)
	pg.run(`document.querySelector('[aria-label="Roll back to generation 1"]').click()`)
	pg.until("the difference is shown first", changes+`.includes('+ concurrency: 4')`)
	pg.run(`document.querySelector('dialog[open] button.primary').click()`)
	pg.says("The spec of generation 1 is in force again")
	if !strings.Contains(spec(), `"concurrency":4`) {
		t.Errorf("rolled back: %s", spec())
	}
}

func TestAFunctionIsCloned(t *testing.T) {
	p := startPlane(t)
	p.call("POST", "/v1/functions", `{"name":"one","executionMode":"LOCAL","queueSize":77}`)
	pg := open(t, p, "#/functions/one")
	pg.click("Clone")
	pg.fill("Name", "two")
	pg.click("Register")
	pg.until("the copy is shown", `document.querySelector('h1').innerText === 'two'`)
	if spec := p.call("GET", "/v1/functions/two", ""); !strings.Contains(spec, `"queueSize":77`) {
		t.Errorf("the copy: %s", spec)
	}
}

// The search, the order and the pages of many functions are the server's.
func TestManyFunctionsAreSearchedSortedAndPaged(t *testing.T) {
	p := startPlane(t)
	for i := range 120 {
		p.call("POST", "/v1/functions", fmt.Sprintf(`{"name":"f-%03d-%s","executionMode":"LOCAL","queueSize":%d}`, i, strings.Repeat("long-", i%2*15)+"name", 1000-i))
	}
	pg := open(t, p, "#/functions")
	rows := `[...document.querySelectorAll('main tbody tr th a')].map(a => a.title)`
	pg.says("1 to 50 of 120")
	pg.click("Next")
	pg.says("51 to 100 of 120")
	pg.until("the rows are the next ones", rows+`[0].startsWith('f-050')`)
	pg.until("the address has the page", `location.hash.includes('offset=50')`)
	pg.fill("Search", "F-11")
	pg.says("1 to 10 of 10")
	pg.until("they are found", rows+`.length === 10 && `+rows+`.every(n => n.startsWith('f-11'))`)
	pg.fill("Search", "nothing-like-it")
	pg.says("No function’s name has that in it.")
	pg.fill("Search", "")
	pg.says("1 to 50 of 120")
	for range 3 {
		p.call("POST", "/v1/functions/f-077-"+strings.Repeat("long-", 15)+"name:invoke", `{"input":1}`)
	}
	pg.run(`[...document.querySelectorAll('th button')].find(b => b.innerText.startsWith('Accepted')).click()`)
	pg.until("the busiest is first", rows+`[0]?.startsWith('f-077') && document.querySelector('[aria-sort=descending]').innerText.startsWith('Accepted')`)
	if size := eval[int](pg, `performance.getEntriesByType('resource').filter(e => e.name.includes('/v1/admin/overview')).at(-1).decodedBodySize`); size > 40_000 {
		t.Errorf("a reading has %d bytes", size)
	}
	if wide := eval[int](pg, `Math.max(...[...document.querySelectorAll('tbody th')].map(c => c.offsetWidth))`); wide > 340 {
		t.Errorf("a long name makes its column %d pixels wide", wide)
	}
}

func TestWhereThereIsNothing(t *testing.T) {
	p := startPlane(t)
	pg := open(t, p, "#/functions", "404 (Not Found)")
	pg.says("No function is registered yet.", "/v1/functions/hello:invoke")
	pg.click("Register this example")
	pg.until("the example is shown", `document.querySelector('h1').innerText === 'hello'`)
	pg.run(`location.hash = '#/functions/hallo'`)
	pg.says("There is no function hallo")
	pg.run(`location.hash = '#/functions/hello2'`)
	pg.says("There is no function hello2", "Did you mean hello?")
	pg.click("hello")
	pg.until("the other one is shown", `document.querySelector('h1').innerText === 'hello'`)
}

// Figures of before the connection was lost are marked as such, with their age.
func TestOldFiguresAreMarked(t *testing.T) {
	p := startPlane(t)
	p.local("f")
	pg := open(t, p, "#/functions", "Failed to load resource", "net::ERR")
	pg.until("it is listed", `document.querySelector('main tbody tr')`)
	pg.run(`globalThis.kept = fetch; globalThis.fetch = () => Promise.reject(new TypeError('away'))`)
	pg.until("the figures are marked", `document.querySelector('main.stale') && /figures are \d+ s old/.test(document.getElementById('health').innerText)`)
	pg.check("stale")
	pg.run(`globalThis.fetch = kept`)
	pg.until("they are of now again", `!document.querySelector('main.stale')`)
}

// An execution is run again with its input, and its attempts are drawn to scale.
func TestAnExecutionIsRunAgain(t *testing.T) {
	p := startPlane(t)
	broken := p.failing("mail", "no route")
	p.call("PUT", "/v1/functions/mail", strings.NewReplacer(`"maxRetries":0`, `"maxRetries":2`, `"initialMs":100`, `"initialMs":50`).Replace(p.call("GET", "/v1/functions/mail", "")))
	id := p.enqueue("mail", `{"to": "ada", "n": 12345678901234567890}`)
	pg := open(t, p, "#/executions/"+id)
	pg.until("three attempts are drawn", `document.querySelectorAll('.attempts > .bar .running.error').length === 3 && document.querySelectorAll('.attempts > .bar .queued').length >= 2`)
	pg.says("POOL_ERROR")
	broken.Store(false)
	pg.click("Run again")
	pg.until("another execution is shown", `location.hash !== '#/executions/`+id+`' && document.querySelector('dl .badge.success')`)
	pg.says("12345678901234567890", "recovered")
}

// What is enqueued is followed to its end.
func TestAnEnqueuedExecutionIsFollowed(t *testing.T) {
	p := startPlane(t)
	release := p.blocking("slow")
	pg := open(t, p, "#/functions/slow")
	pg.fill("Input (JSON)", `{"order": 7}`)
	pg.click("Enqueue")
	pg.until("it is shown as running", `document.querySelector('.result .badge.running')`)
	release()
	pg.until("its end is shown by itself", `document.querySelector('.result .badge.success')`)
	pg.says(`"order": 7`)
}

// Marks of what was done are in the charts, and listed.
func TestWhatWasDoneIsMarked(t *testing.T) {
	p := startPlane(t)
	p.local("f")
	pg := open(t, p, "#/functions/f")
	p.call("PUT", "/v1/functions/f", `{"executionMode":"LOCAL","concurrency":9}`)
	pg.until("the change is in the chart", `document.querySelector('.chart .mark.updated title')?.textContent.includes('generation 2')`)
	pg.run(`document.querySelector('summary').click()`)
	pg.says("the spec was changed, generation 2", "(by anonymous)")
}

// Instances are listed and scaled, and what they write is followed.
func TestInstancesAndLogs(t *testing.T) {
	script := filepath.Join(t.TempDir(), "f.sh")
	if err := os.WriteFile(script, []byte("while read -r line; do echo \"seen $line\" >&2; echo '{\"output\": 1}'; done\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	p := startPlane(t, func(c *server.Config) { c.Provider = server.ProviderProcess })
	p.call("POST", "/v1/functions", fmt.Sprintf(`{"name":"f","runtimeMode":"STDIO","commands":["sh",%q],"scalingConfig":{"strategy":"NONE"}}`, script))
	p.call("POST", "/v1/functions/f:invoke", `{"input":"first"}`)
	pg := open(t, p, "#/functions/f")
	pg.says("first", "by the provider process")
	pg.until("its instance is listed", `document.querySelectorAll('section[aria-label=Instances] tbody tr').length === 1`)
	p.call("POST", "/v1/functions/f:invoke", `{"input":"second"}`)
	pg.says("second")
	pg.fill("Wanted", "2")
	pg.click("Scale")
	pg.says("2 wanted.", "2 of 2 ready")
	id := regexp.MustCompile(`"executionId":"([^"]+)"`).FindStringSubmatch(p.call("POST", "/v1/functions/f:invoke", `{"input":"third"}`))[1]
	pg.run(`location.hash = '#/executions/` + "' + '" + id + `'`)
	pg.says("Logs of this time")
	pg.until("what it wrote is shown", `document.querySelector('section[aria-label="Logs of this time"] pre').innerText.includes('third')`)
}

func TestTheSystemIsShown(t *testing.T) {
	p := startPlane(t, func(c *server.Config) {
		c.DataDir, c.Provider = t.TempDir(), server.ProviderProcess
	})
	pg := open(t, p, "#/system")
	pg.says("All that was accepted is on disk.", "This server is by itself.", "Flight recorder")
	pg.until("the provider is up", `document.querySelector('section[aria-label=Providers] .badge.up')`)
}

func TestAClusterIsShown(t *testing.T) {
	// Three real nodes are tested elsewhere; here what one of them says is shown.
	pg := open(t, startPlane(t), "#/functions")
	pg.run(`{
		const before = fetch;
		const partitions = Array.from({length: 256}, (_, i) => ({partition: i, state: 'open', owner: i % 2 ? 'node-a' : 'node-b', epoch: i + 1}));
		const cluster = {node: 'node-a', serving: false, reason: 'cut off from the engine', partitionsOwned: 256, partitionsTotal: 256, lagFacts: 3, partitions,
			members: [{name: 'node-a', life: '1', peer: '10.0.0.1:8090', alive: true, lastSeenMillis: 0, partitions: 128}, {name: 'node-b', life: '2', peer: '10.0.0.2:8090', alive: false, lastSeenMillis: 61234, partitions: 128}]};
		globalThis.fetch = async (url, ...rest) => {
			const answer = await before(url, ...rest);
			if (!String(url).endsWith('/v1/admin/system')) return answer;
			return new Response(JSON.stringify({...await answer.json(), cluster}), {headers: {'Content-Type': 'application/json'}});
		};
		location.hash = '#/system';
	}`)
	pg.says("This is node-a.", "256 of 256 partitions have an owner; 3 facts", "This node serves nothing: cut off from the engine", "1 min 1 s ago")
	pg.until("one member is up, one down", `document.querySelector('section[aria-label=Cluster] .badge.up') && document.querySelector('section[aria-label=Cluster] .badge.down')`)
	pg.run(`document.querySelector('section[aria-label=Cluster] summary').click()`)
	pg.until("partitions are listed", `document.querySelectorAll('section[aria-label=Cluster] details tbody tr').length === 256`)
	pg.check("cluster")
	pg.shot("cluster")
}
