// Package page renders reports as one self-contained HTML page that follows
// the reader's light or dark setting and needs no network.
package page

import "simplane/bench/chart"

// Page is one report.
type Page struct {
	Title string
	// Verdict stands beside the title, as good or as bad news; "" = none.
	Verdict string
	Passed  bool
	// Unjudged says that the verdict is neither: nothing was asked.
	Unjudged bool
	Notes    []string // paragraphs below the title
	Code     string   // a command or a digest
	// Misses are the limits and assertions that did not hold, Findings what
	// casts doubt on the figures.
	Misses, Findings []string
	Sections         []Section
}

// Section is one block of the page; a heading over nothing is left out.
type Section struct {
	Heading string
	Note    string
	Cards   []Card
	Charts  []chart.Drawing // empty ones are left out
	Tables  []Table
	Lines   []string // preformatted
}

// Card is a figure that stands out: its label and its value.
type Card [2]string

// Table is left out when it has no rows.
type Table struct {
	Caption string
	Head    []string
	Rows    [][]string
	// Good and Bad are the cell texts that are coloured as such, whole cells.
	Good, Bad string
}
