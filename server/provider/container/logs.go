package container

import (
	"bytes"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/client"

	"simplane/server/provider"
)

// Logs implements provider.Provider: what ended instances wrote, which simplane
// keeps, and what running ones did, which the engine keeps.
func (p *Provider) Logs(name string, tail int) ([]provider.LogLine, error) {
	f := p.Function(name)
	if f == nil {
		return nil, provider.ErrNotFound
	}
	most := p.opt.LogLines
	if tail > 0 {
		most = min(most, tail)
	}
	ctx, cancel := context.WithTimeout(p.ctx, logsTimeout)
	defer cancel()
	lines := f.Logs.Tail(0)
	for _, e := range f.Pool.Endpoints() {
		for _, b := range p.boxes.list() {
			if b.address != e.Address {
				continue
			}
			for _, l := range b.written(ctx, most) {
				l.Instance = e.ID
				lines = append(lines, l)
			}
		}
	}
	slices.SortStableFunc(lines, func(a, b provider.LogLine) int { return a.Time.Compare(b.Time) })
	if n := len(lines); n > most {
		lines = lines[n-most:]
	}
	return lines, nil
}

// logsTimeout bounds a look at the engine's logs: who asks waits.
const logsTimeout = 5 * time.Second

// maxLogBytes bounds what is read of one container's log.
const maxLogBytes = 8 << 20

// written are the newest lines that a container wrote, oldest first; nil when the
// engine does not say.
func (b *box) written(ctx context.Context, most int) (lines []provider.LogLine) {
	r, err := b.p.opt.Client.ContainerLogs(ctx, b.id, client.ContainerLogsOptions{
		ShowStdout: true, ShowStderr: true, Timestamps: true, Tail: strconv.Itoa(most),
	})
	if err != nil {
		b.p.engine.note(err)
		return nil
	}
	defer r.Close()
	out, errs := &capped{}, &capped{}
	_, _ = stdcopy.StdCopy(out, errs, r) // what came before an error is shown
	for stream, from := range map[string]*capped{provider.Stdout: out, provider.Stderr: errs} {
		for text := range strings.Lines(from.String()) {
			stamp, text, _ := strings.Cut(strings.TrimRight(text, "\r\n"), " ")
			at, err := time.Parse(time.RFC3339Nano, stamp)
			if err != nil {
				continue // the end of a line that is not whole
			}
			lines = append(lines, provider.LogLine{Time: at, Stream: stream, Text: strings.ToValidUTF8(text, "\uFFFD")})
		}
	}
	slices.SortStableFunc(lines, func(a, b provider.LogLine) int { return a.Time.Compare(b.Time) })
	return lines
}

// lastWords tells the end of what a container wrote to stderr, as the end of a
// sentence.
func (b *box) lastWords(ctx context.Context) string {
	ctx, cancel := b.p.call(ctx)
	defer cancel()
	var end []string
	for _, l := range b.written(ctx, 20) {
		if l.Stream == provider.Stderr {
			end = append(end, l.Text)
		}
	}
	text := strings.Join(end, "\n")
	if len(text) > 2048 {
		text = strings.ToValidUTF8(text[len(text)-2048:], "")
	}
	if text == "" {
		return ""
	}
	return "; stderr ends: " + text
}

// capped keeps the first maxLogBytes bytes written to it.
type capped struct{ bytes.Buffer }

func (c *capped) Write(b []byte) (int, error) {
	if room := maxLogBytes - c.Len(); room > 0 {
		c.Buffer.Write(b[:min(len(b), room)])
	}
	return len(b), nil
}
