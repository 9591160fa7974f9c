package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
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
	cmd := &cobra.Command{
		Use: "top", Short: "Watch rates, queues and latency of all functions", Args: noArgs,
		Long: "Watch all functions in a table that is refreshed until interrupted; piped, it\n" +
			"is printed once. Rates are those between two looks, one --interval apart. With\n" +
			"-o json the server's figures are printed once, as they are.",
		RunE: calling(o, func(ctx context.Context, c *client.Client, cmd *cobra.Command, _ []string) error {
			if every < 100*time.Millisecond {
				return usageErrorf("--interval: must be at least 100ms, not %s", every)
			}
			a, err := c.Stats(ctx)
			if err != nil {
				return err
			}
			w := cmd.OutOrStdout()
			if done, err := o.structured(w, a.Raw); done {
				return err
			}
			t := &top{client: c, every: every, last: a.Value, at: time.Now()}
			if t.histograms, err = c.Histograms(ctx); err != nil {
				return err
			}
			if f := terminalOf(w); f != nil {
				return t.live(ctx, f)
			}
			frame, err := t.next(ctx)
			if err != nil {
				return err
			}
			_, err = io.WriteString(w, frame)
			return err
		}),
	}
	cmd.Flags().DurationVar(&every, "interval", time.Second, "time between two looks")
	return cmd
}

// top turns successive figures into rates.
type top struct {
	client *client.Client
	every  time.Duration
	last   client.Stats
	at     time.Time // of last

	histograms client.Histograms
}

// next waits for the next look and renders it.
func (t *top) next(ctx context.Context) (string, error) {
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case <-time.After(t.every):
	}
	a, err := t.client.Stats(ctx)
	if err != nil {
		return "", err
	}
	h, err := t.client.Histograms(ctx)
	if err != nil {
		return "", err
	}
	for name, f := range a.Value.Functions {
		if f.LatencyMs == nil {
			f.LatencyMs = h.Between(t.histograms, name)
			a.Value.Functions[name] = f
		}
	}
	t.histograms = h
	now := time.Now()
	frame := renderTop(t.last, a.Value, now.Sub(t.at))
	t.last, t.at = a.Value, now
	return frame, nil
}

// live redraws the terminal's alternate screen until interrupted.
func (t *top) live(ctx context.Context, f *os.File) error {
	const enter, leave, home, rest = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l", "\x1b[H", "\x1b[J"
	fmt.Fprint(f, enter)
	defer fmt.Fprint(f, leave)
	fmt.Fprintf(f, "%s%s%s", home, visible(t.client.Base()), rest)
	for {
		frame, err := t.next(ctx)
		if errors.Is(err, context.Canceled) {
			return nil // the way to leave
		}
		if err != nil {
			return err
		}
		width, height, err := term.GetSize(int(f.Fd()))
		if err != nil || width < 1 || height < 2 {
			width, height = 80, 24 // a terminal that does not know its size
		}
		fmt.Fprint(f, home+fitScreen(visible(t.client.Base()+"  "+time.Now().Format("15:04:05")+"  Ctrl-C ends\n"+frame), width, height)+rest)
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

// renderTop shows the figures of now, with rates since before.
func renderTop(before, now client.Stats, elapsed time.Duration) string {
	rate := func(a, b int64) string {
		return strconv.FormatFloat(float64(max(b-a, 0))/elapsed.Seconds(), 'f', 1, 64)
	}
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	troubles := ""
	t := newTable("FUNCTION", "IN/s", "OK/s", "ERR/s", "TIMEOUT/s", "REJECT/s", "QUEUED", "IN FLIGHT", "P50 ms", "P99 ms")
	for _, name := range slices.Sorted(maps.Keys(now.Functions)) {
		f := now.Functions[name]
		b, known := before.Functions[name]
		if !known || b.Enqueued > f.Enqueued {
			b = f // new, or created again: no rate yet
		}
		p50, p99 := "-", "-"
		if f.LatencyMs != nil {
			p50, p99 = latency(f.LatencyMs.P50), latency(f.LatencyMs.P99)
		}
		t.row(clipText(name, 32), rate(b.Enqueued, f.Enqueued), rate(b.Success, f.Success), rate(b.Error, f.Error),
			rate(b.Timeout, f.Timeout), rate(b.Rejected, f.Rejected), number(f.QueueDepth)+"/"+number(f.QueueSize),
			number(f.InFlight)+"/"+number(f.EffectiveConcurrency), p50, p99)
		if f.MetricsError != "" {
			troubles += fmt.Sprintf("%s is not scaled by its cpu or memory: %s\n", clipText(name, 32), f.MetricsError)
		}
	}
	durable := "in memory only"
	if now.Durable {
		durable = fmt.Sprintf("durable, %d facts behind", now.JournalLagFacts)
	}
	return fmt.Sprintf("up %s, %d functions, %d executions and %d keys kept, %s of payload, sync queue %d, %s\n",
		shortDuration(time.Duration(now.UptimeSeconds*float64(time.Second)).Round(time.Second)), len(now.Functions),
		now.StoredExecutions, now.StoredKeys, byteSize(now.PayloadBytes), now.SyncQueueDepth, durable) + t.text(0) + troubles
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
