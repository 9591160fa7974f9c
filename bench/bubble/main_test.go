package bubble

import (
	"bytes"
	"io"
	"log/slog"
	"os"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/valyala/fasthttp"
)

// TestMain has fasthttp begin its own clock, which goes on for ever, outside of all
// bubbles.
func TestMain(m *testing.M) {
	var r fasthttp.Response
	_, _ = r.WriteTo(io.Discard)
	os.Exit(m.Run())
}

// inBubble runs f in a bubble. What earlier ones have left in pools goes before: a timer
// or a channel is of the bubble that made it.
func inBubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	for range 2 {
		runtime.GC()
	}
	synctest.Test(t, f)
}

// logbook keeps what a server logs, to be shown when a test fails.
type logbook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *logbook) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelWarn}))
}
