package page

import (
	_ "embed"
	"io"
	"strings"

	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"

	"simplane/bench/chart"
)

//go:embed page.css
var style string

// Write renders the page. Its elements are Go functions and not a template: a template
// finds the methods it calls by their names, and a program that does so keeps every
// exported method of every type that is linked into it.
func (p *Page) Write(w io.Writer) error {
	return h.Doctype(h.HTML(h.Lang("en"),
		h.Head(
			h.Meta(h.Charset("utf-8")),
			h.Meta(h.Name("viewport"), h.Content("width=device-width, initial-scale=1")),
			h.TitleEl(g.Text(p.Title)),
			h.StyleEl(g.Raw(style)),
		),
		h.Body(
			h.H1(g.Text(p.Title), g.If(p.Verdict != "", g.Group{g.Text(" "), h.Span(h.Class(p.class()), g.Text(p.Verdict))})),
			lines(p.Notes, paragraph),
			g.If(p.Code != "", h.P(h.Code(g.Text(p.Code)))),
			list("miss", p.Misses),
			list("findings", p.Findings),
			lines(p.Sections, Section.node),
		),
	)).Render(w)
}

// class is that of the verdict.
func (p *Page) class() string {
	switch {
	case p.Unjudged:
		return "dim"
	case p.Passed:
		return "pass"
	default:
		return "miss"
	}
}

func (s Section) node() g.Node {
	var text strings.Builder
	for _, l := range s.Lines {
		text.WriteString(l + "\n")
	}
	return h.Section(
		h.H2(g.Text(s.Heading)),
		paragraph(s.Note),
		g.If(len(s.Lines) > 0, h.Pre(g.Text(text.String()))),
		g.If(len(s.Cards) > 0, h.Div(h.Class("cards"), g.Map(s.Cards, func(c Card) g.Node {
			return h.Div(h.Span(g.Text(c[0])), h.B(g.Text(c[1])))
		}))),
		lines(s.Charts, func(d chart.Drawing) g.Node { return g.If(d != "", h.Figure(g.Raw(string(d)))) }),
		lines(s.Tables, Table.node),
	)
}

func (t Table) node() g.Node {
	if len(t.Rows) == 0 {
		return nil
	}
	return h.Div(h.Class("scroll"), h.Table(
		g.If(t.Caption != "", h.Caption(g.Text(t.Caption))),
		g.If(len(t.Head) > 0, h.THead(h.Tr(g.Map(t.Head, func(name string) g.Node { return h.Th(g.Text(name)) })))),
		h.TBody(lines(t.Rows, func(row []string) g.Node {
			return h.Tr(g.Map(row, func(cell string) g.Node { return h.Td(h.Class(t.class(cell)), g.Text(cell)) }))
		})),
	))
}

// class is that of a cell: short texts are not wrapped.
func (t Table) class(cell string) string {
	var names []string
	if len(cell) < 26 {
		names = append(names, "n")
	}
	if t.Good != "" && cell == t.Good {
		names = append(names, "pass")
	}
	if t.Bad != "" && cell == t.Bad {
		names = append(names, "miss")
	}
	return strings.Join(names, " ")
}

func paragraph(text string) g.Node { return g.If(text != "", h.P(g.Text(text))) }

func list(class string, items []string) g.Node {
	return g.If(len(items) > 0, h.Ul(h.Class(class), g.Map(items, func(item string) g.Node { return h.Li(g.Text(item)) })))
}

// lines is the nodes of all, each on a line of its own.
func lines[T any](all []T, node func(T) g.Node) g.Node {
	return g.Map(all, func(v T) g.Node {
		if n := node(v); n != nil {
			return g.Group{n, g.Text("\n")}
		}
		return nil
	})
}
