package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"simplane/server/client"
)

// topColumns are the columns of `top`; the first is the name, the others are
// figures.
var topColumns = []string{"FUNCTION", "IN/s", "OK/s", "ERR/s", "TMO/s", "REJ/s", "QUEUED", "RUNNING", "P50ms", "P99ms"}

// topRow is one function between two looks: its figures, by column from the second
// one on, and how they are shown.
type topRow struct {
	name    string
	figures []float64
	cells   []string
	trouble string
}

// topRows are all functions, sorted by name.
func topRows(before, now client.Stats, elapsed time.Duration) []topRow {
	rows := make([]topRow, 0, len(now.Functions))
	for _, name := range slices.Sorted(maps.Keys(now.Functions)) {
		f := now.Functions[name]
		b, known := before.Functions[name]
		if !known || b.Enqueued > f.Enqueued {
			b = f // new, or created again: no rate yet
		}
		r := topRow{name: name, trouble: f.MetricsError}
		add := func(v float64, cell string) { r.figures, r.cells = append(r.figures, v), append(r.cells, cell) }
		for _, n := range [][2]int64{{b.Enqueued, f.Enqueued}, {b.Success, f.Success}, {b.Error, f.Error}, {b.Timeout, f.Timeout}, {b.Rejected, f.Rejected}} {
			v := float64(max(n[1]-n[0], 0)) / elapsed.Seconds()
			add(v, strconv.FormatFloat(v, 'f', 1, 64))
		}
		add(float64(f.QueueDepth), fmt.Sprintf("%d/%d", f.QueueDepth, f.QueueSize))
		add(float64(f.InFlight), fmt.Sprintf("%d/%d", f.InFlight, f.EffectiveConcurrency))
		if l := f.LatencyMs; l != nil {
			add(l.P50, latency(l.P50))
			add(l.P99, latency(l.P99))
		} else {
			add(-1, "-")
			add(-1, "-")
		}
		rows = append(rows, r)
	}
	return rows
}

// topView is which rows are shown, and in which order.
type topView struct {
	sort    int // column; figures from the highest down, names from A on
	reverse bool
	filter  string // part of the name
	typing  bool   // of the filter
	at      int    // the first row that is shown
}

// topKeys is the help line.
const topKeys = "< > sort  r reverse  / filter  arrows scroll  q quit"

// key does what a key means; page is the number of rows that fit. done says that
// it was the one to leave with.
func (v *topView) key(k string, page int) (done bool) {
	switch {
	case k == "\x03":
		return true
	case v.typing:
		v.typeKey(k)
		return false
	}
	switch k {
	case "q":
		return true
	case ">", "\x1b[C":
		v.sort = (v.sort + 1) % len(topColumns)
	case "<", "\x1b[D":
		v.sort = (v.sort + len(topColumns) - 1) % len(topColumns)
	case "r":
		v.reverse = !v.reverse
	case "/":
		v.typing, v.filter = true, ""
	case "\x1b":
		v.filter = ""
	case "\x1b[A", "k":
		v.at--
	case "\x1b[B", "j":
		v.at++
	case "\x1b[5~", "b":
		v.at -= page
	case "\x1b[6~", " ":
		v.at += page
	case "\x1b[H", "\x1b[1~", "g":
		v.at = 0
	case "\x1b[F", "\x1b[4~", "G":
		v.at = 1 << 30 // choose puts it at the last page
	}
	return false
}

func (v *topView) typeKey(k string) {
	switch {
	case k == "\r" || k == "\n":
		v.typing = false
	case k == "\x1b":
		v.typing, v.filter = false, ""
	case k == "\x7f" || k == "\b":
		if r := []rune(v.filter); len(r) > 0 {
			v.filter = string(r[:len(r)-1])
		}
	case !strings.ContainsFunc(k, obeyed):
		v.filter = clipText(v.filter+k, 128)
	}
	v.at = 0
}

// choose filters and sorts rows, and brings v.at into their range.
func (v *topView) choose(rows []topRow, page int) []topRow {
	kept := make([]topRow, 0, len(rows))
	for _, r := range rows {
		if strings.Contains(strings.ToLower(r.name), strings.ToLower(v.filter)) {
			kept = append(kept, r)
		}
	}
	slices.SortStableFunc(kept, func(a, b topRow) int {
		order := strings.Compare(a.name, b.name)
		if v.sort > 0 {
			x, y := a.figures[v.sort-1], b.figures[v.sort-1]
			switch {
			case x > y:
				order = -1
			case x < y:
				order = 1
			default:
				return order // equals stay by name, in both directions
			}
		}
		if v.reverse {
			order = -order
		}
		return order
	})
	v.at = max(min(v.at, len(kept)-page), 0)
	return kept
}

// table shows rows; the head says by which column they are sorted.
func (v *topView) table(rows []topRow) *table {
	head := slices.Clone(topColumns)
	if v.sort > 0 || v.reverse {
		mark := "↓"
		if (v.sort == 0) != v.reverse {
			mark = "↑"
		}
		head[v.sort] += mark
	}
	t := newTable(head...).cut(head[0])
	for _, r := range rows {
		t.row(append([]string{r.name}, r.cells...)...)
	}
	return t
}

// frame is a screen of width by height characters.
func (v *topView) frame(summary string, rows []topRow, width, height int) string {
	page := topPage(height)
	kept := v.choose(rows, page)
	shown := kept[v.at:min(v.at+page, len(kept))]
	var b strings.Builder
	b.WriteString(summary)
	b.WriteString(v.table(shown).text(width))
	for range page - len(shown) {
		b.WriteByte('\n')
	}
	switch {
	case v.typing:
		fmt.Fprintf(&b, "/%s_   Enter keeps it, Esc drops it", v.filter)
	default:
		place := fmt.Sprintf("%d of %d", len(kept), len(rows))
		if len(kept) > page {
			place = fmt.Sprintf("%d-%d of %d", v.at+1, v.at+len(shown), len(kept))
		}
		if v.filter != "" {
			place += fmt.Sprintf(" (/%s)", v.filter)
		}
		fmt.Fprintf(&b, "%s  %s", place, topKeys)
	}
	for _, r := range shown {
		if r.trouble != "" {
			fmt.Fprintf(&b, "\n%s is not scaled by its cpu or memory: %s", r.name, r.trouble)
			break
		}
	}
	return b.String()
}

// topPage is the number of rows on a screen of this height: beside them there
// are two lines of summary, the head, the keys and one trouble.
func topPage(height int) int { return max(height-5, 1) }

// topSummary is the server's own figures, in a line.
func topSummary(now client.Stats) string {
	durable := "in memory"
	if now.Durable {
		durable = fmt.Sprintf("durable, %d facts behind", now.JournalLagFacts)
	}
	return fmt.Sprintf("up %s, %d functions, %d executions, %d keys, %s payload, sync queue %d, %s\n",
		shortDuration(time.Duration(now.UptimeSeconds*float64(time.Second)).Round(time.Second)), len(now.Functions),
		now.StoredExecutions, now.StoredKeys, byteSize(now.PayloadBytes), now.SyncQueueDepth, durable)
}
