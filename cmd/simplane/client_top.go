package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"simplane/server/client"
)

func topCommand(o *clientOptions) *cobra.Command {
	var every time.Duration
	var by string
	v := topView{}
	cmd := &cobra.Command{
		Use: "top", Short: "Watch rates, queues and latency of all functions", Args: noArgs,
		Long: "Watch all functions in a table that is refreshed until it is left; piped, it is\n" +
			"printed once. Rates are those between two looks, one --interval apart. With\n" +
			"-o json the server's figures are printed once, as they are.\n\n" +
			"Keys: < and > choose the column to sort by, r reverses, / filters by name, the\n" +
			"arrows, PgUp, PgDn, Home and End scroll, q leaves.",
		RunE: calling(o, func(ctx context.Context, c *client.Client, cmd *cobra.Command, args []string) error {
			if every < 100*time.Millisecond {
				return usageErrorf("--interval: must be at least 100ms, not %s", every)
			}
			if v.sort = slices.IndexFunc(topColumns, func(c string) bool { return strings.EqualFold(c, by) }); v.sort < 0 {
				return usageErrorf("--sort: must be %s, not %q%s", strings.Join(topColumns, ", "), by, didYouMean(by, topColumns))
			}
			a, err := c.Stats(ctx)
			if err != nil {
				return err
			}
			w := cmd.OutOrStdout()
			if done, err := o.structured(w, a.Raw); done {
				return err
			}
			t := &top{client: c, every: every, last: a.Value, at: time.Now(), view: v}
			if t.histograms, err = c.Histograms(ctx); err != nil {
				return err
			}
			t.scraped = t.at
			if f := terminalOf(w); f != nil {
				return t.live(ctx, cmd.InOrStdin(), f)
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(every):
			}
			if err := t.look(ctx); err != nil {
				return err
			}
			rows := t.view.choose(t.rows, len(t.rows))
			_, err = io.WriteString(w, topSummary(t.last)+t.view.table(rows).text(0)+troubles(rows))
			return err
		}),
	}
	f := cmd.Flags()
	f.DurationVar(&every, "interval", time.Second, "time between two looks")
	f.StringVar(&by, "sort", topColumns[0], "`column` to sort by: "+strings.Join(topColumns, ", "))
	f.StringVar(&v.filter, "filter", "", "only functions with this `text` in their name")
	_ = cmd.RegisterFlagCompletionFunc("sort", cobra.FixedCompletions(topColumns, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// top turns successive figures into rates.
type top struct {
	client *client.Client
	every  time.Duration
	view   topView
	last   client.Stats
	at     time.Time // of last
	rows   []topRow

	histograms client.Histograms
	scraped    time.Time // when histograms was read
	latencies  map[string]*client.Latency
}

// manyFunctions is how many make the page of metrics so long that it is read
// every ten looks only: at 10,000 it has megabytes.
const manyFunctions = 1000

// look takes the figures anew.
func (t *top) look(ctx context.Context) error {
	a, err := t.client.Stats(ctx)
	if err != nil {
		return err
	}
	now := time.Now()
	if len(a.Value.Functions) <= manyFunctions || now.Sub(t.scraped) >= 10*t.every {
		h, err := t.client.Histograms(ctx)
		if err != nil {
			return err
		}
		t.latencies = map[string]*client.Latency{}
		for name := range a.Value.Functions {
			t.latencies[name] = h.Between(t.histograms, name)
		}
		t.histograms, t.scraped = h, now
	}
	for name, f := range a.Value.Functions {
		if f.LatencyMs == nil {
			f.LatencyMs = t.latencies[name]
			a.Value.Functions[name] = f
		}
	}
	t.rows = topRows(t.last, a.Value, now.Sub(t.at))
	t.last, t.at = a.Value, now
	return nil
}

// troubles are those of rows, a line each.
func troubles(rows []topRow) string {
	var b strings.Builder
	for _, r := range rows {
		if r.trouble != "" {
			fmt.Fprintf(&b, "%s is not scaled by its cpu or memory: %s\n", r.name, oneLine(r.trouble))
		}
	}
	return b.String()
}

// live redraws the terminal's alternate screen until it is left by a key or
// interrupted.
func (t *top) live(ctx context.Context, in io.Reader, f *os.File) error {
	const enter, leave, home, rest = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l", "\x1b[H", "\x1b[J"
	keys, restore := readKeys(in)
	defer restore()
	fmt.Fprint(f, enter)
	defer fmt.Fprint(f, leave)
	t.rows = topRows(t.last, t.last, time.Second)
	looks := time.NewTicker(t.every)
	defer looks.Stop()
	for {
		width, height, err := term.GetSize(int(f.Fd()))
		if err != nil || width < 1 || height < 2 {
			width, height = 80, 24 // a terminal that does not know its size
		}
		title := t.client.Base() + "  " + time.Now().Format("15:04:05") + "\n"
		fmt.Fprint(f, home+fitScreen(visible(title+t.view.frame(topSummary(t.last), t.rows, width, height)), width, height)+rest)
		select {
		case <-ctx.Done():
			return nil // the way to leave
		case k := <-keys:
			if t.view.key(k, topPage(height)) {
				return nil
			}
		case <-looks.C:
			err := t.look(ctx)
			if ctx.Err() != nil {
				return nil
			}
			if err != nil {
				return err
			}
		}
	}
}

// fitScreen cuts a frame to the screen, and clears the rest of each line.
func fitScreen(frame string, width, height int) string {
	lines := strings.Split(strings.TrimRight(frame, "\n"), "\n")
	if len(lines) > height {
		more := len(lines) - height + 1
		lines = append(lines[:height-1], fmt.Sprintf("… %d more lines", more))
	}
	for i, line := range lines {
		lines[i] = clipText(line, max(width, 1)) + "\x1b[K"
	}
	return strings.Join(lines, "\r\n")
}

func latency(ms float64) string {
	if ms < 10 {
		return strconv.FormatFloat(ms, 'f', 2, 64)
	}
	return strconv.FormatFloat(ms, 'f', 0, 64)
}

func byteSize(n int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	f, i := float64(n), 0
	for f >= 1024 && i < len(units)-1 {
		f, i = f/1024, i+1
	}
	if i == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", f, units[i])
}
