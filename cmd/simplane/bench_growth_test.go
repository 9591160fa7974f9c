package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"simplane/bench/growth"
	"simplane/bench/report"
)

// tinyGrowth measures rows at a scale that only shows that they can be measured.
func tinyGrowth(t *testing.T, rows ...string) *growth.Result {
	t.Helper()
	t.Setenv(roleVariable, "simplane") // of the servers it starts
	out := filepath.Join(t.TempDir(), "g")
	stdout, line, code := bench(t, "growth", "--rows", strings.Join(rows, ","), "--scale", "0.002",
		"--rounds", "3", "--round", "40ms", "--warmup", "5ms", "--connections", "4", "--out", out)
	if code != 0 {
		t.Fatalf("exit %d: %s\n%s", code, line, stdout)
	}
	d, err := report.Load(filepath.Join(out, "result.json"))
	if err != nil {
		t.Fatal(err)
	}
	var measured []string
	for _, row := range d.Growth.Rows {
		measured = append(measured, row.Name)
		for _, s := range row.Series {
			for i, p := range s.Points {
				if p.Size <= 0 || p.Value < 0 || i > 0 && p.Size <= s.Points[i-1].Size {
					t.Errorf("%s, %s: points %+v", row.Name, s.Name, s.Points)
				}
			}
		}
	}
	if !slices.Equal(measured, rows) {
		t.Errorf("rows %q, want %q", measured, rows)
	}
	for _, f := range d.Growth.Findings {
		if strings.Contains(f, "failed") {
			t.Error(f)
		}
	}
	return d.Growth
}

// find returns a series by row and name.
func find(t *testing.T, r *growth.Result, row, name string) growth.Series {
	t.Helper()
	for _, got := range r.Rows {
		for _, s := range got.Series {
			if got.Name == row && s.Name == name {
				return s
			}
		}
	}
	t.Fatalf("row %s has no series %q", row, name)
	return growth.Series{}
}

func TestBenchGrowth(t *testing.T) {
	r := tinyGrowth(t, "functions", "catalogue", "records", "search", "queue", "keys", "payloads")
	if s := find(t, r, "functions", "all functions, throughput of the echo's"); len(s.Points) == 0 || s.Points[len(s.Points)-1].Size != 20 {
		t.Errorf("functions: %+v", s.Points)
	}
	// Twenty functions more are some twenty times as many lines of metrics.
	if s := find(t, r, "catalogue", "metrics page"); s.Points[len(s.Points)-1].Value < 1.2*s.Points[0].Value {
		t.Errorf("metrics page: %+v", s.Points)
	}
	if s := find(t, r, "queue", "DELETE, until the last has ended"); s.Points[len(s.Points)-1].Size != 2000 {
		t.Errorf("queue: %+v", s.Points)
	}
	for _, s := range []growth.Series{find(t, r, "records", "resident memory of a record"), find(t, r, "search", "answer over all")} {
		if s.Points[0].Value == 0 {
			t.Errorf("%s: %+v", s.Name, s.Points)
		}
	}
}

func TestBenchGrowthRefusesBadFlags(t *testing.T) {
	for _, c := range [][2]string{
		{"--scale=0", "scale"}, {"--scale=2", "scale"}, {"--rows=functions,magic", "magic"}, {"--rounds=1", "rounds"},
		{"--connections=0", "connections"}, {"--round=0s", "duration"}, {"--binary=/does/not/exist", "/does/not/exist"},
	} {
		if _, line, code := bench(t, "growth", c[0]); code != 2 || !strings.Contains(line, c[1]) {
			t.Errorf("bench growth %s: exit %d, %q; want 2 and %q", c[0], code, line, c[1])
		}
	}
}
