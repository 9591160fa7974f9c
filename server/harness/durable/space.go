package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"simplane/bench/chart"
	"simplane/bench/page"
	"simplane/server/harness/node"
)

// space is how large the data directory is while executions come and go.
type space struct {
	total   int
	ttl     time.Duration
	samples []spaceSample
	loaded  time.Duration // when the last was accepted
}

type spaceSample struct {
	at      time.Duration
	disk    float64 // MB, all files, the reserve of 32 MiB too
	kept    float64 // executions
	payload float64 // MB of what callers and functions sent and is kept
}

const (
	spaceLook        = 250 * time.Millisecond
	spaceConnections = 64
)

// comeAndGo has a server run so many executions that are gone ttl after their end,
// and looks at its directory until they are.
func comeAndGo(binary, dir string, total int, ttl time.Duration) (*space, error) {
	text := ttl.String()
	n, err := node.Start(node.Options{Binary: binary, Args: []string{
		"--rate-max-per-second", "0", "--log-level", "warn", "--provider", "none", "--shutdown-grace", "0s",
		"--ttl", text, "--cleanup-ttl", text, "--idempotency-ttl", text, "--data-dir", dir,
	}})
	if err != nil {
		return nil, err
	}
	defer n.Kill()
	if err := register(n); err != nil {
		return nil, err
	}
	s := &space{total: total, ttl: ttl}
	loaded := make(chan error, 1)
	began := time.Now()
	go func() {
		_, err := fill(n, spaceConnections, time.Hour, int64(total))
		loaded <- err
	}()
	for looking := time.NewTicker(spaceLook); ; <-looking.C {
		sample, err := look(n, dir)
		if err != nil {
			return nil, err
		}
		sample.at = time.Since(began)
		s.samples = append(s.samples, sample)
		select {
		case err := <-loaded:
			if err != nil {
				return nil, err
			}
			s.loaded, loaded = sample.at, nil
		default:
		}
		if loaded == nil && sample.kept == 0 && sample.at > s.loaded+2*ttl {
			return s, nil
		}
		if loaded == nil && sample.at > s.loaded+10*ttl+time.Minute {
			return nil, fmt.Errorf("%.0f executions are kept long after their TTL of %v", sample.kept, ttl)
		}
	}
}

func look(n *node.Node, dir string) (s spaceSample, err error) {
	bytes, err := sizeOf(dir)
	if err != nil {
		return s, err
	}
	answer, err := node.Call(http.DefaultClient, "GET", n.Mgmt+"/actuator/prometheus", nil)
	if err != nil {
		return s, err
	}
	for metric, to := range map[string]*float64{"simplane_stored_executions": &s.kept, "simplane_payload_bytes": &s.payload} {
		v, err := gauge(answer.Body, metric)
		if err != nil {
			return s, err
		}
		*to = v
	}
	s.disk, s.payload = float64(bytes)/1e6, s.payload/1e6
	return s, nil
}

func gauge(body []byte, metric string) (v float64, err error) {
	for line := range strings.Lines(string(body)) {
		if rest, ok := strings.CutPrefix(line, metric+" "); ok {
			_, err = fmt.Sscan(rest, &v)
			return v, err
		}
	}
	return 0, fmt.Errorf("no %s among the metrics", metric)
}

// sizeOf is what the files below dir take; one that goes meanwhile takes nothing.
func sizeOf(dir string) (bytes int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || e.IsDir() {
			return err
		}
		if info, err := e.Info(); err == nil {
			bytes += info.Size()
		}
		return nil
	})
	return bytes, err
}

// most is the largest directory of the second half of the load, and of the first.
func (s *space) most() (first, second float64) {
	for _, sample := range s.samples {
		switch {
		case sample.at < s.loaded/2:
			first = max(first, sample.disk)
		case sample.at <= s.loaded:
			second = max(second, sample.disk)
		}
	}
	return first, second
}

func (s *space) String() string {
	first, second := s.most()
	kept, last := 0.0, s.samples[len(s.samples)-1]
	for _, sample := range s.samples {
		kept = max(kept, sample.kept)
	}
	return fmt.Sprintf("| executions | in, s | kept at once, at most | directory at most, first half, MB | second half, MB | when all are gone, MB |\n|---|---|---|---|---|---|\n| %d | %.0f | %.0f | %.0f | %.0f | %.0f |\n",
		s.total, s.loaded.Seconds(), kept, first, second, last.disk)
}

// report writes a page with the curves.
func (s *space) report(name string) error {
	var disk, payload, kept []chart.Point
	for _, sample := range s.samples {
		x := sample.at.Seconds()
		disk = append(disk, chart.Point{X: x, Y: sample.disk, Low: sample.disk, High: sample.disk})
		payload = append(payload, chart.Point{X: x, Y: sample.payload, Low: sample.payload, High: sample.payload})
		kept = append(kept, chart.Point{X: x, Y: sample.kept, Low: sample.kept, High: sample.kept})
	}
	draw := func(title, unit string, lines ...chart.Line) chart.Drawing {
		return chart.Chart{Title: title, XLabel: "since the first", YLabel: unit, X: chart.Seconds, Lines: lines, FromZero: true}.SVG()
	}
	p := page.Page{
		Title: "Space of a data directory",
		Notes: []string{fmt.Sprintf("%d executions come, and go %v after their end. The directory holds a reserve of 32 MiB in any case.", s.total, s.ttl)},
		Code:  fmt.Sprintf("go run ./server/harness/durable --connections '' --recover '' --space %d --space-ttl %v --space-report %s", s.total, s.ttl, name),
		Sections: []page.Section{
			{Heading: "Space", Charts: []chart.Drawing{draw("Space", "MB",
				chart.Line{Name: "directory", Points: disk, Bare: true}, chart.Line{Name: "payloads kept", Points: payload, Bare: true})}},
			{Heading: "Executions", Charts: []chart.Drawing{draw("Executions", "kept", chart.Line{Name: "kept", Points: kept, Bare: true})}},
		},
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(p.Write(f), f.Close())
}
