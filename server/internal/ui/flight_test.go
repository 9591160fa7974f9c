package ui_test

import (
	"strings"
	"testing"

	"simplane/server"
)

func TestTheFlightRecorderIsShownAndSaved(t *testing.T) {
	dir := t.TempDir()
	p := startPlane(t, func(c *server.Config) { c.Record = dir })
	p.local("a")
	p.local("b")
	for range 5 {
		p.call("POST", "/v1/functions/a:invoke", `{"input":1}`)
		p.call("POST", "/v1/functions/b:invoke", `{"input":1}`)
	}
	pg := open(t, p, "#/system")
	pg.until("it says what is held", `/It holds the last \d+ (s|min \d+ s) of 2 functions: [1-9]\d* of 131k steps, 8\.\d MiB\./.test(document.getElementById('flight').textContent)`)
	pg.says("All is recorded into files")
	pg.run(`window.saved = '';
		const make = URL.createObjectURL.bind(URL);
		URL.createObjectURL = blob => { blob.slice(0, 15).text().then(t => window.saved = t); return make(blob); };`)
	pg.click("Save a dump")
	pg.until("a recording is saved", `window.saved === 'simplane record'`)
	pg.says("as simplane-dump-2")
	if n := p.call("GET", "/v1/admin/flight-recorder", ""); !strings.Contains(n, `"dumps":1`) {
		t.Errorf("the server says %s", n)
	}
}

func TestAFlightRecorderThatIsOff(t *testing.T) {
	p := startPlane(t, func(c *server.Config) { c.FlightRecorderBytes = 0 })
	pg := open(t, p, "#/system")
	pg.says("Nothing is kept in memory")
	pg.until("there is nothing to save", `[...document.querySelectorAll('button')].find(b => b.textContent === 'Save a dump').disabled`)
}
