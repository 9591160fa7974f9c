package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

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
	got := strings.Join(strings.Fields(renderTop(before, now, 2*time.Second)), " ")
	for _, want := range []string{
		"f 100.0 100.0 0.5 0.0 0.0 7/9 2/3 1.50 120", "again 0.0 0.0 0.0", "new 0.0 0.0", "up 1h1m40s", "3.0 MiB", "new is not scaled by its cpu or memory: no metrics-server",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in: %s", want, got)
		}
	}
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
