package report

import (
	"bytes"
	"strings"
	"testing"

	"simplane/bench/growth"
)

func grown() *growth.Result {
	return &growth.Result{Rows: []growth.Row{{
		Name: "records", Title: "By records <kept>", Size: "records", Seconds: 7,
		Series: []growth.Series{
			{Figure: growth.Figure{Name: "throughput", Higher: true, Slack: 1.1, Limit: 0.9}, Points: []growth.Point{
				{Size: 1000, Value: 0.8, Low: 0.78, High: 0.82}, {Size: 50_000, Value: 0.4, Low: 0.38, High: 0.42, Doubt: "others"},
			}},
			{Figure: growth.Figure{Name: "scrape", Unit: "ms", Linear: true, Limit: 300}, Points: []growth.Point{{Size: 1100, Value: 2}, {Size: 1_000_000, Value: 250}}},
		},
	}}}
}

func TestGrowthTable(t *testing.T) {
	head, rows := growthRows(grown().Rows[0])
	// 1,000 and 1,100 share a column.
	if got := strings.Join(head, "|"); got != "figure|1k|50k|1M|bends|limit" {
		t.Errorf("head %s", got)
	}
	for i, want := range []string{
		"throughput|0.80 (0.78–0.82)|0.40 (0.38–0.42) ?||at 50k (× 0.50)|in doubt: ≥ 0.90",
		"scrape|2 ms||250 ms|no (× 125)|kept: ≤ 300 ms",
	} {
		if got := strings.Join(rows[i], "|"); got != want {
			t.Errorf("row %s\nwant %s", got, want)
		}
	}
}

func TestGrowthReport(t *testing.T) {
	d := &Document{Kind: "growth", Growth: grown()}
	var page, text bytes.Buffer
	if err := d.HTML(&page); err != nil {
		t.Fatal(err)
	}
	if err := d.Text(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"By records &lt;kept&gt;", "What bends", "from", "50k", "Ratios, which should be flat", "What may grow with the size", "<polyline"} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if !strings.Contains(text.String(), "at 50k") || !strings.Contains(text.String(), "scrape") {
		t.Errorf("text:\n%s", text.String())
	}
}
