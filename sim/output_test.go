package sim

import (
	"bytes"
	"encoding/json"
	"html/template"
	"strings"
	"testing"
)

// TestJSONIsPlain for people and tools, and cannot close a script element where
// it is put into a page.
func TestJSONIsPlain(t *testing.T) {
	sc := parse(t, `
name: "</script><b>&"
duration: 1s
functions: [{name: f}]
load: [{function: f, arrivals: {process: burst, count: 3}}]
expect: [{count: success, op: ">=", value: 3}]
`)
	r := mustRun(t, sc, Options{})
	var b bytes.Buffer
	if err := r.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), `"want":">= 3"`) || !strings.Contains(b.String(), `"scenario":"</script><b>&"`) {
		t.Errorf("escaped: %s", b.String())
	}
	var back struct {
		Scenario string
		Checks   []CheckResult
	}
	if err := json.Unmarshal(b.Bytes(), &back); err != nil || back.Scenario != sc.Name || len(back.Checks) != 1 {
		t.Errorf("read back as %+v, %v", back, err)
	}
	if n := strings.Count(b.String(), "\n"); n != 1 || !strings.HasSuffix(b.String(), "}\n") {
		t.Errorf("%d lines: %q", n, b.String())
	}

	marshalled, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var page bytes.Buffer
	if err := template.Must(template.New("").Parse(`<script>var r = {{.}};</script>`)).Execute(&page, r); err != nil {
		t.Fatal(err)
	}
	for name, html := range map[string]string{"json.Marshal": string(marshalled), "html/template": strings.TrimSuffix(page.String(), "</script>")} {
		if strings.Contains(html, "</script>") || strings.Contains(html, "<b>") {
			t.Errorf("%s lets markup through: %s", name, html)
		}
	}
}
