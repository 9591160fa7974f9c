package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"simplane/server/client"
)

func TestTopPipedPrintsOneTable(t *testing.T) {
	p := startPlane(t)
	p.cliWith(echoSpec, "fn", "apply", "-f", "-").ok()
	out := p.cli("top", "--interval", "100ms").ok().prints("FUNCTION", "echo", "0/100", "0/4").out
	if strings.Contains(out, "\x1b") || strings.Count(out, "FUNCTION") != 1 {
		t.Errorf("piped: %q", out)
	}
	p.cli("top", "-o", "json").ok().prints(`"uptimeSeconds"`, `"echo"`)
	p.cli("top", "--interval", "0s").fails(2, "--interval")
}

func TestRatesAreDifferencesOverTime(t *testing.T) {
	before := client.Stats{Functions: map[string]client.FunctionStats{
		"f":     {Enqueued: 100, Success: 90, Error: 4},
		"again": {Enqueued: 500, Success: 500},
	}}
	now := client.Stats{UptimeSeconds: 3700, PayloadBytes: 3 << 20, Functions: map[string]client.FunctionStats{
		"f":     {Enqueued: 300, Success: 290, Error: 5, QueueDepth: 7, QueueSize: 9, InFlight: 2, EffectiveConcurrency: 3, LatencyMs: &client.Latency{P50: 1.5, P99: 120}},
		"again": {Enqueued: 3, Success: 3}, // deleted and registered again in between
		"new":   {Enqueued: 10, MetricsError: "no metrics-server"},
	}}
	got := strings.Join(strings.Fields(topText(before, now, 2*time.Second)), " ")
	for _, want := range []string{
		"f 100.0 100.0 0.5 0.0 0.0 7/9 2/3 1.50 120", "again 0.0 0.0 0.0", "new 0.0 0.0", "up 1h1m40s", "3.0 MiB", "new is not scaled by its cpu or memory: no metrics-server",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in: %s", want, got)
		}
	}
}

// topText is what `top` prints into a pipe.
func topText(before, now client.Stats, elapsed time.Duration) string {
	rows := topRows(before, now, elapsed)
	return topSummary(now) + new(topView).table(rows).text(0) + troubles(rows)
}

// Rows are sorted, filtered and scrolled with keys, ten thousand of them too, on a
// screen of 80 by 24.
func TestTopKeys(t *testing.T) {
	before, now := client.Stats{Functions: map[string]client.FunctionStats{}}, client.Stats{Functions: map[string]client.FunctionStats{}}
	for i := range 10_000 {
		name := fmt.Sprintf("function-with-a-long-name-%05d", i)
		before.Functions[name] = client.FunctionStats{}
		now.Functions[name] = client.FunctionStats{Enqueued: int64(i), QueueDepth: int64(i % 7), QueueSize: 100, EffectiveConcurrency: 4, LatencyMs: &client.Latency{P50: float64(i)}}
	}
	rows := topRows(before, now, time.Second)
	v := &topView{}
	const width, height = 80, 24
	screen := func(keys ...string) []string {
		for _, k := range keys {
			if v.key(k, topPage(height)) {
				t.Fatalf("%q leaves", k)
			}
		}
		frame := v.frame(topSummary(now), rows, width, height-1)
		lines := strings.Split(strings.TrimRight(frame, "\n"), "\n")
		if len(lines) > height-1 {
			t.Errorf("%q: %d lines", keys, len(lines))
		}
		for _, line := range lines[1:] {
			if n := utf8.RuneCountInString(line); n > width && !strings.Contains(line, topKeys) {
				t.Errorf("%q: %d columns: %s", keys, n, line)
			}
		}
		return lines[2:]
	}
	first := func(want string, keys ...string) {
		t.Helper()
		if got := screen(keys...); !strings.Contains(got[0], want) {
			t.Errorf("%q: first is %s, want %s", keys, got[0], want)
		}
	}
	row := func(n int) string { return fmt.Sprintf("%.1f", float64(n)) }
	first(row(0))
	first(row(9999), "r")
	first(row(9999), "r", ">") // by IN/s
	first(row(9998), "\x1b[B")
	first(row(9999), "k", "k")
	first(row(9999-topPage(height)), " ")
	first(row(topPage(height-1)-1), "G")
	first(row(9999), "g")
	first(row(0), "r")
	first(row(0), "<", "<", "<", "r") // by P50, smallest first after the reversals
	v.sort, v.reverse = 0, false
	first(row(1234), "/", "0", "1", "2", "3", "4")
	if got := screen(); !strings.HasPrefix(got[len(got)-1], "/01234_") {
		t.Errorf("the filter is not shown: %s", got[len(got)-1])
	}
	first(row(123), "\x7f", "\x7f", "0", "\x7f", "\x7f", "1", "2", "3", "\r")
	first(row(0), "\x1b")
	if !v.key("q", 1) || !v.key("\x03", 1) {
		t.Error("q and Ctrl-C leave")
	}
}

func TestTopSortsAndFiltersInAPipe(t *testing.T) {
	p := startPlane(t)
	p.cliWith(localSpec("a", "")+"---\n"+localSpec("b", "")+"---\n"+localSpec("other", ""), "fn", "apply", "-f", "-").ok()
	if out := p.cli("top", "--interval", "100ms", "--filter", "other").ok().out; strings.Contains(out, "\na ") || !strings.Contains(out, "other") {
		t.Errorf("--filter: %s", out)
	}
	p.cli("top", "--interval", "100ms", "--sort", "queued").ok().prints("QUEUED↓")
	p.cli("top", "--sort", "queed").fails(2, `did you mean "QUEUED"?`)
}

func TestKeysAreReadWhole(t *testing.T) {
	read, write, err := os.Pipe()
	must(t, err)
	defer read.Close()
	keys := make(chan string, 16)
	go scanKeys(read, keys)
	for _, c := range []struct {
		bytes string
		want  []string
	}{
		{"q", []string{"q"}}, {"\x1b[A", []string{"\x1b[A"}}, {"\x1b[5~x", []string{"\x1b[5~", "x"}}, {"\x1bOB", []string{"\x1b[B"}}, {"ü", []string{"ü"}}, {"\x1b", []string{"\x1b"}},
	} {
		_, err := write.WriteString(c.bytes)
		must(t, err)
		for _, want := range c.want {
			if got := <-keys; got != want {
				t.Errorf("%q: %q, want %q", c.bytes, got, want)
			}
		}
	}
	must(t, write.Close())
}

func TestAFrameFitsTheScreen(t *testing.T) {
	frame := strings.Repeat("0123456789\n", 10)
	lines := strings.Split(fitScreen(frame, 5, 4), "\r\n")
	if len(lines) != 4 || !strings.HasPrefix(lines[0], "0123…\x1b[K") || !strings.HasPrefix(lines[3], "… 7 ") {
		t.Errorf("%q", lines)
	}
}

// On a terminal the table is redrawn, and the screen is given back at the end.
func TestTopOnATerminalRedrawsUntilInterrupted(t *testing.T) {
	p := startPlane(t)
	p.cliWith(echoSpec, "fn", "apply", "-f", "-").ok()
	master, terminal := openTerminal(t)
	ctx, interrupt := context.WithCancel(context.Background())
	root := rootCommand()
	root.SetArgs([]string{"top", "--interval", "100ms", "--server", p.addr})
	root.SetOut(terminal)
	ended := make(chan error, 1)
	go func() {
		ended <- root.ExecuteContext(ctx)
		_ = terminal.Close() // so that the reader below comes to an end
	}()
	var screen strings.Builder
	guard := time.AfterFunc(hangGuard, func() { _ = master.Close() })
	defer guard.Stop()
	for r := bufio.NewReader(master); ; {
		b, err := r.ReadByte()
		if err != nil {
			break
		}
		screen.WriteByte(b)
		if b == 'K' && strings.Count(screen.String(), "FUNCTION") >= 3 {
			interrupt()
		}
	}
	interrupt()
	if err := <-ended; err != nil {
		t.Errorf("an interrupt is the way to leave, not %v", err)
	}
	got := screen.String()
	if !strings.HasPrefix(got, "\x1b[?1049h") || !strings.Contains(got, "echo") || !strings.HasSuffix(got, "\x1b[?1049l") {
		t.Errorf("screen: %q", got)
	}
}

// openTerminal makes a pseudo-terminal.
func openTerminal(t *testing.T) (master, terminal *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("no pseudo-terminal here: %v", err)
	}
	t.Cleanup(func() { _ = master.Close() })
	fd := int(master.Fd())
	must(t, unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	must(t, err)
	terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	must(t, err)
	return master, terminal
}
