package page

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"simplane/bench/chart"
)

func render(t *testing.T, p Page) string {
	t.Helper()
	var b bytes.Buffer
	if err := p.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

var outside = regexp.MustCompile(`(?i)(src|href)\s*=|url\(|@import|<script`)

func TestPageIsSelfContainedAndEscaped(t *testing.T) {
	const evil = `<script>"&`
	html := render(t, Page{
		Title: evil, Verdict: evil, Notes: []string{evil, ""}, Code: evil, Misses: []string{evil}, Findings: []string{evil},
		Sections: []Section{{Heading: evil, Note: evil, Cards: []Card{{evil, evil}}, Lines: []string{evil}, Charts: []chart.Drawing{"<svg></svg>", ""},
			Tables: []Table{{Caption: evil, Head: []string{evil}, Rows: [][]string{{evil}}}}}},
	})
	if hit := outside.FindString(html); hit != "" {
		t.Errorf("the page reaches outside or is not escaped: %q", hit)
	}
	if n := strings.Count(html, "&lt;script"); n != 15 { // the title is there twice
		t.Errorf("%d of 15 texts are shown", n)
	}
	if n := strings.Count(html, "<figure>"); n != 1 {
		t.Errorf("%d drawings, want the one that is not empty", n)
	}
	if !strings.Contains(html, "prefers-color-scheme:dark") {
		t.Error("no dark colours")
	}
}

func TestVerdictsAreColoured(t *testing.T) {
	html := render(t, Page{Title: "t", Verdict: "fine", Passed: true, Sections: []Section{{Tables: []Table{
		{Rows: [][]string{{"yes", "no", "other", ""}}, Good: "yes", Bad: "no"}, {Caption: "without rows", Head: []string{"h"}},
	}}}})
	for _, want := range []string{`<span class="pass">fine</span>`, `<td class="n pass">yes</td>`, `<td class="n miss">no</td>`, `<td class="n">other</td>`, `<td class="n"></td>`} {
		if !strings.Contains(html, want) {
			t.Errorf("no %s in %s", want, html)
		}
	}
	if strings.Contains(html, "without rows") {
		t.Error("an empty table is shown")
	}
}
