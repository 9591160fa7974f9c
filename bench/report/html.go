package report

import (
	"fmt"
	"io"
	"maps"
	"slices"

	"simplane/bench/page"
)

type (
	section = page.Section
	card    = page.Card
	table   = page.Table
)

// HTML writes the page. It needs no network and follows the reader's light or
// dark setting.
func (d *Document) HTML(w io.Writer) error {
	var sections []section
	switch {
	case d.HTTP != nil:
		sections = httpSections(d.HTTP)
	case d.Search != nil:
		sections = searchSections(d.Search)
	case d.Compare != nil:
		sections = compareSections(d.Compare)
	case d.Core != nil:
		sections = coreSections(d.Core)
	case d.Growth != nil:
		sections = growthSections(d.Growth)
	}
	p := page.Page{
		Title: "simplane bench " + d.Kind, Passed: d.Passed,
		Notes:  []string{fmt.Sprintf("%s, simplane %s, commit %s", d.Started.Format("2006-01-02 15:04:05 MST"), d.Version, d.Commit)},
		Code:   d.Command,
		Misses: d.Misses, Findings: d.findings(),
		Sections: append(sections, section{Heading: "Where and how", Tables: d.about()}),
	}
	switch {
	case d.Passed && d.Growth != nil:
		p.Verdict = "measured" // its limits are in the report, and no part of the verdict
	case d.Passed:
		p.Verdict = "all limits and assertions held"
	case len(d.Misses) == 0:
		p.Verdict = "the run did not complete"
	default:
		p.Verdict = "failed"
	}
	return p.Write(w)
}

func (d *Document) findings() []string {
	switch {
	case d.HTTP != nil:
		return d.HTTP.Findings
	case d.Compare != nil:
		return d.Compare.Findings
	case d.Core != nil:
		return d.Core.Findings
	case d.Growth != nil:
		return d.Growth.Findings
	}
	return nil
}

func (d *Document) about() []table {
	m := d.Machine
	settings := table{Caption: "Settings", Head: []string{"flag", "value"}}
	for _, k := range slices.Sorted(maps.Keys(d.Settings)) {
		if v := d.Settings[k]; v != "" {
			settings.Rows = append(settings.Rows, []string{k, v})
		}
	}
	return []table{{
		Caption: "Machine", Head: []string{"what", "value"},
		Rows: [][]string{
			{"CPU", m.CPU}, {"cores", fmt.Sprintf("%d (GOMAXPROCS %d)", m.Cores, m.GOMAXPROCS)},
			{"kernel", m.Kernel}, {"Go", m.Go + " " + m.OS + "/" + m.Arch}, {"load average before", m.LoadAverage},
		},
	}, settings}
}

func msText(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f ms", v)
	case v >= 1:
		return fmt.Sprintf("%.2f ms", v)
	default:
		return fmt.Sprintf("%.1f µs", v*1000)
	}
}

func rateText(v float64) string {
	if v >= 100 {
		return fmt.Sprintf("%.0f/s", v)
	}
	return fmt.Sprintf("%.2f/s", v)
}

func unitText(v float64, unit string) string {
	switch unit {
	case "/s":
		return rateText(v)
	case "ms":
		return msText(v)
	default:
		return fmt.Sprintf("%.1f %s", v, unit)
	}
}
