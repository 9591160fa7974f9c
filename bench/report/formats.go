package report

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"

	"simplane/bench/latency"
	"simplane/bench/loadgen"
)

// Formats are the forms in which a load's result can be printed.
func Formats() []string { return []string{"text", "json", "csv", "prometheus"} }

// Print writes the document in one of Formats. Only "text" and "json" have all
// kinds of documents; "csv" is the time series of a load, "prometheus" its
// figures.
func (d *Document) Print(w io.Writer, format string) error {
	switch format {
	case "text":
		return d.Text(w)
	case "json":
		body, err := json.MarshalIndent(d, "", "  ")
		if err != nil {
			return err
		}
		_, err = w.Write(append(body, '\n'))
		return err
	}
	if d.HTTP == nil {
		return fmt.Errorf("%s is for a load, not for a %s", format, d.Kind)
	}
	if format == "csv" {
		return seriesCSV(w, d.HTTP)
	}
	return d.prometheus(w)
}

// seriesCSV writes a line for each interval of a run.
func seriesCSV(w io.Writer, r *loadgen.Result) error {
	out := csv.NewWriter(w)
	f := func(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
	rows := [][]string{{"at_seconds", "rate", "failed", "p50_ms", "p95_ms", "p99_ms", "max_ms"}}
	for _, iv := range r.Series {
		rows = append(rows, []string{f(iv.AtSeconds), f(iv.Rate), strconv.FormatInt(iv.Failed, 10), f(iv.P50Ms), f(iv.P95Ms), f(iv.P99Ms), f(iv.MaxMs)})
	}
	return out.WriteAll(rows)
}

// prometheus writes the figures of a run as text that a Pushgateway or a node
// exporter's textfile collector takes.
func (d *Document) prometheus(w io.Writer) error {
	r := d.HTTP
	reg := prometheus.NewRegistry()
	add := func(name, help string, labels []string, kind prometheus.ValueType, v float64, values ...string) error {
		m, err := prometheus.NewConstMetric(prometheus.NewDesc("simplane_bench_"+name, help, labels, nil), kind, v, values...)
		if err != nil {
			return err
		}
		return reg.Register(constant{m})
	}
	passed := 0.0
	if d.Passed {
		passed = 1
	}
	for _, m := range []struct {
		name, help string
		v          float64
	}{
		{"passed", "1 when every limit was kept.", passed},
		{"throughput", "Successes per second.", r.Throughput},
		{"elapsed_seconds", "Measured time.", r.ElapsedSeconds},
		{"rate_asked", "Requests per second that were asked for; 0 in a closed loop.", r.RateAsked},
	} {
		if err := add(m.name, m.help, nil, prometheus.GaugeValue, m.v); err != nil {
			return err
		}
	}
	requests := several{desc: prometheus.NewDesc("simplane_bench_requests", "Requests by what became of them.", []string{"result"}, nil)}
	for result, n := range map[string]int64{"ok": r.OK, "failed": r.Failed, "unsent": r.Unsent} {
		requests.add(prometheus.NewConstMetric(requests.desc, prometheus.GaugeValue, float64(n), result))
	}
	times := several{desc: prometheus.NewDesc("simplane_bench_latency_seconds", "Latency from the time a request was due, and service time from when it was sent.", []string{"of"}, nil)}
	for of, s := range map[string]latency.Summary{"latency": r.Latency, "service": r.Service} {
		times.add(prometheus.NewConstSummary(times.desc, uint64(max(s.Count, 0)), s.MeanMs/1e3*float64(s.Count), map[float64]float64{ // #nosec G115 -- not negative
			0.5: s.P50Ms / 1e3, 0.9: s.P90Ms / 1e3, 0.95: s.P95Ms / 1e3, 0.99: s.P99Ms / 1e3, 0.999: s.P999Ms / 1e3, 1: s.MaxMs / 1e3,
		}, of))
	}
	for _, s := range []several{requests, times} {
		if s.err != nil {
			return s.err
		}
		if err := reg.Register(s); err != nil {
			return err
		}
	}
	families, err := reg.Gather()
	if err != nil {
		return err
	}
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(w, f); err != nil {
			return err
		}
	}
	return nil
}

// constant and several are collectors of metrics that do not change.
type constant struct{ prometheus.Metric }

func (c constant) Describe(to chan<- *prometheus.Desc) { to <- c.Desc() }
func (c constant) Collect(to chan<- prometheus.Metric) { to <- c.Metric }

type several struct {
	desc    *prometheus.Desc
	metrics []prometheus.Metric
	err     error
}

func (s *several) add(m prometheus.Metric, err error) {
	s.metrics = append(s.metrics, m)
	if err != nil {
		s.err = err
	}
}

func (s several) Describe(to chan<- *prometheus.Desc) { to <- s.desc }
func (s several) Collect(to chan<- prometheus.Metric) {
	for _, m := range s.metrics {
		to <- m
	}
}
