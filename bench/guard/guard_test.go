package guard

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func settings() Options {
	return Options{Base: "HEAD", Package: "./p", Bench: ".", BenchTime: "50x", Rounds: 6, Alpha: 0.05, Threshold: 0.10}
}

func lines(name string, nanos, allocs float64) string {
	return fmt.Sprintf("Benchmark%s-2 1000 %.3f ns/op 16 B/op %.0f allocs/op\n", name, nanos, allocs)
}

func TestJudge(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	noisy := func(mean float64) float64 { return mean * (1 + 0.02*rng.NormFloat64()) }
	m := newMeasurements()
	for range 10 {
		for side, slow := range []float64{1, 1.5} {
			text := lines("Slower", noisy(100*slow), 1) + lines("Same", noisy(100), 1) +
				lines("Faster", noisy(100/slow), 1) + lines("Leaky", noisy(100), float64(1+side)) +
				lines("Slightly", noisy(100)*(1+float64(side)*0.07), 1)
			if side == 1 {
				text += lines("New", 5, 0)
			}
			if err := m.add(side, text); err != nil {
				t.Fatal(err)
			}
		}
	}
	o := settings()
	o.Rounds = 10
	res, err := m.judge("abc", o)
	if err != nil {
		t.Fatal(err)
	}
	worse, better := map[string]bool{}, map[string]bool{}
	for _, row := range res.Rows {
		if row.Regressed {
			worse[row.Name+" "+row.Unit] = true
		}
		if row.Improved {
			better[row.Name+" "+row.Unit] = true
		}
		if strings.HasPrefix(row.Name, "New") {
			t.Errorf("a benchmark without a base was judged: %+v", row)
		}
	}
	if len(worse) != 2 || !worse["Slower-2 sec/op"] || !worse["Leaky-2 allocs/op"] || res.Regressions() != 2 {
		t.Errorf("worse: %v", worse)
	}
	if len(better) != 1 || !better["Faster-2 sec/op"] {
		t.Errorf("better: %v", better)
	}
	var text strings.Builder
	if err := res.Text(&text); err != nil || strings.Count(text.String(), "WORSE") != 2 {
		t.Errorf("%v\n%s", err, text.String())
	}
}

// Equal sides raise a false alarm in at most alpha of the checks.
func TestFalseAlarmsStayBelowAlpha(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	o := settings()
	o.Threshold, o.Alpha, o.Rounds = 0, 0.10, 8
	alarms := 0
	const checks = 400
	for range checks {
		m := newMeasurements()
		for range o.Rounds {
			for side := range 2 {
				text := ""
				for i := range 5 {
					text += lines(fmt.Sprint("B", i), 100*math.Exp(0.2*rng.NormFloat64()), 1)
				}
				if err := m.add(side, text); err != nil {
					t.Fatal(err)
				}
			}
		}
		res, err := m.judge("abc", o)
		if err != nil {
			t.Fatal(err)
		}
		if res.Regressions() > 0 {
			alarms++
		}
	}
	if share := float64(alarms) / checks; share > o.Alpha {
		t.Errorf("alarms in %.3f of the checks, allowed %.2f", share, o.Alpha)
	}
}

func TestJudgeRefusesEmptyAndHopelessChecks(t *testing.T) {
	m := newMeasurements()
	if _, err := m.judge("abc", settings()); err == nil || !strings.Contains(err.Error(), "nothing was compared") {
		t.Errorf("an empty check passes: %v", err)
	}
	for side := range 2 {
		_ = m.add(side, lines("X", 1, 1))
	}
	o := settings()
	o.Rounds = 4
	o.Alpha = 0.05
	if _, err := m.judge("abc", o); err == nil || !strings.Contains(err.Error(), "more rounds") {
		t.Errorf("a check that can never fail passes: %v", err)
	}
	if got, want := smallestP(5), 2.0/252; math.Abs(got-want) > 1e-12 {
		t.Errorf("smallest p of 5 and 5 is %v, want %v", got, want)
	}
}

func TestValidate(t *testing.T) {
	for says, change := range map[string]func(*Options){
		"rounds": func(o *Options) { o.Rounds = 1 }, "alpha": func(o *Options) { o.Alpha = 1 },
		"threshold": func(o *Options) { o.Threshold = -1 }, "base": func(o *Options) { o.Base = "--upload-pack=x" },
	} {
		o := settings()
		change(&o)
		if _, err := Run(t.Context(), o, nil); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", says, err)
		}
	}
}

// A real repository whose working tree allocates where its commit did not.
func TestRunFindsARegressionInARepository(t *testing.T) {
	repo := t.TempDir()
	file := func(name, text string) {
		path := filepath.Join(repo, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	git := func(args ...string) {
		cmd := exec.Command("git", append([]string{"-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "core.hooksPath=/dev/null"}, args...)...)
		cmd.Dir = repo
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	file("go.mod", "module example.com/m\n\ngo 1.26\n")
	file("p/p.go", "package p\n\nvar Sink *int\nvar spare int\n\nfunc Work() { Sink = &spare }\n")
	file("p/p_test.go", "package p\n\nimport \"testing\"\n\nfunc BenchmarkWork(b *testing.B) { for b.Loop() { Work() } }\n")
	git("init", "-q")
	git("add", ".")
	git("commit", "-q", "-m", "base")
	file("p/p.go", "package p\n\nvar Sink *int\n\nfunc Work() { x := 1; Sink = &x }\n")

	o := settings()
	o.Repo = repo
	res, err := Run(t.Context(), o, nil)
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, row := range res.Rows {
		found = found || row.Regressed && row.Unit == "allocs/op" && row.Base == 0 && row.Head == 1
	}
	if !found {
		t.Errorf("the new allocation was not found: %+v", res.Rows)
	}
	o.Base = "no-such-revision"
	if _, err := Run(t.Context(), o, nil); !errors.Is(err, ErrUsage) {
		t.Errorf("an unknown revision gives %v", err)
	}
	o.Base, o.Package = "HEAD", "./absent"
	if _, err := Run(t.Context(), o, nil); err == nil || !strings.Contains(err.Error(), "./absent") {
		t.Errorf("an absent package gives %v", err)
	}
}
