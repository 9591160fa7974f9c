package trace

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"simplane/sim"
	"simplane/sim/scenario"
)

const dir = "../../scenarios/traces/"

// load runs a converted trace as its file would be read.
func load(t *testing.T, sc *scenario.Scenario, comment string, err error) (*scenario.Scenario, *sim.Result) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	read, err := scenario.Parse("trace.yaml", scenario.Marshal(sc, comment))
	if err != nil {
		t.Fatal(err)
	}
	r, err := sim.Run(read, sim.Options{})
	if err != nil || r.Violation != nil {
		t.Fatal(err, r.Violation)
	}
	return read, r
}

// TestAzure2019: all 4,525 invocations of the sample day arrive, and service
// times are within each function's percentiles.
func TestAzure2019(t *testing.T) {
	for _, within := range []string{"uniform", "poisson"} {
		sc, comment, err := Azure2019(dir+"invocations.csv", dir+"durations.csv", dir+"memory.csv", Options{Name: "day", Within: within})
		read, r := load(t, sc, comment, err)
		if read.Duration != 24*time.Hour || len(read.Functions) != 4 || !strings.Contains(comment, "120.0 MB") {
			t.Errorf("%v, %d functions, comment %q", read.Duration, len(read.Functions), comment)
		}
		offered := r.Total.Get("offered")
		if within == "uniform" && offered != 4525 {
			t.Errorf("%d invocations", offered)
		}
		if off := offered - 4525; within == "poisson" && (off*off > 25*4525 || off == 0) {
			t.Errorf("%d invocations, 4525 on average expected", offered)
		}
		for _, f := range r.Functions {
			p := read.Find(f.Name).Behavior.Latency.Percentiles
			if low, high := int64(p[0].Value), int64(p[len(p)-1].Value); f.Service.Mean < low || f.Service.Max > high {
				t.Errorf("%s: mean %d, max %d, outside %d to %d", f.Name, f.Service.Mean, f.Service.Max, low, high)
			}
		}
	}
}

// TestPublishedDay: the published scenario is what the importer makes of the
// sample, apart from its head and checks.
func TestPublishedDay(t *testing.T) {
	published, err := scenario.ReadFile("../../scenarios/azure-2019-day.yaml")
	if err != nil {
		t.Fatal(err)
	}
	sc, comment, err := Azure2019(dir+"invocations.csv", dir+"durations.csv", dir+"memory.csv", Options{Name: "azure-2019-day", Seed: 1, Within: "uniform"})
	if err != nil {
		t.Fatal(err)
	}
	sc.Expect = published.Expect
	made, err := scenario.Parse("made.yaml", scenario.Marshal(sc, comment))
	if err != nil {
		t.Fatal(err)
	}
	if a, b := string(scenario.Marshal(made, "")), string(scenario.Marshal(published, "")); a != b {
		t.Error("the importer makes another scenario now; run 'simplane sim import-trace' again")
	}
}

func TestAzure2021(t *testing.T) {
	sc, comment, err := Azure2021(dir+"azure2021_30.csv", Options{Name: "x", Within: "uniform"})
	_, r := load(t, sc, comment, err)
	if r.Total.Get("success") != 29 {
		t.Errorf("%d of 29 succeeded", r.Total.Get("success"))
	}
}

// TestBusiest keeps the busiest functions only, and says so.
func TestBusiest(t *testing.T) {
	sc, comment, err := Azure2019(dir+"invocations.csv", dir+"durations.csv", "", Options{Name: "x", Within: "uniform", Functions: 1})
	if err != nil || len(sc.Functions) != 1 || sc.Functions[0].Name != "fn-c13acdc7" || !strings.Contains(comment, "3 least busy") {
		t.Errorf("%v %v %q", sc, err, comment)
	}
}

// TestBadTraces are reported with file and line.
func TestBadTraces(t *testing.T) {
	tmp := t.TempDir()
	file := func(text string) string {
		path := filepath.Join(tmp, "trace.csv")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, c := range map[string]struct{ text, want string }{
		"empty":            {"", ":1: no header"},
		"another file":     {"a,b,c\n1,2,3\n", `:1: no column "HashFunction"`},
		"not a count":      {"HashOwner,HashApp,HashFunction,Trigger,1\no,a,f,t,many\n", `:2: minute 1: "many"`},
		"negative":         {"HashOwner,HashApp,HashFunction,Trigger,1\no,a,f,t,-1\n", `:2: minute 1: "-1"`},
		"short row":        {"HashOwner,HashApp,HashFunction,Trigger,1\no,a\n", "wrong number of fields"},
		"odd hash":         {"HashOwner,HashApp,HashFunction,Trigger,1\no,a,../f,t,1\n", ":2: HashFunction"},
		"no durations":     {"HashOwner,HashApp,HashFunction,Trigger,1\no,a,f,t,1\n", "no durations of any function"},
		"no invocations":   {"HashOwner,HashApp,HashFunction,Trigger,1\no,a,f,t,0\n", "no invocations"},
		"a file not there": {"-", "no such file"},
	} {
		path := file(c.text)
		if c.text == "-" {
			path = filepath.Join(tmp, "absent.csv")
		}
		_, _, err := Azure2019(path, dir+"durations.csv", "", Options{Name: "x", Within: "uniform"})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
	if _, _, err := Azure2021(file("app,func,end_timestamp,duration\na,f,10,x\n"), Options{}); err == nil || !strings.Contains(err.Error(), `:2: duration: "x"`) {
		t.Errorf("2021: %v", err)
	}
}

// The published days have functions without durations, and functions twice:
// both are left out and counted.
func TestGapsOfPublishedDays(t *testing.T) {
	tmp := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(tmp, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	invocations := write("inv.csv", "HashOwner,HashApp,HashFunction,Trigger,1,2\no,a,f,t,3,1\no,a,g,t,5,0\no,a,f,t,9,9\no,a,h,t,0,0\n")
	durations := write("dur.csv", "HashOwner,HashApp,HashFunction,percentile_Average_50\no,a,f,10\n")
	sc, comment, err := Azure2019(invocations, durations, "", Options{Name: "x", Within: "uniform"})
	if err != nil || len(sc.Functions) != 1 || sc.Description != "1 functions, 4 invocations in 2m0s" {
		t.Fatalf("%+v %v", sc, err)
	}
	for _, want := range []string{"1 rows of functions that are there twice", "1 functions without durations are left out, with 5 invocations"} {
		if !strings.Contains(comment, want) {
			t.Errorf("the note does not say %q: %s", want, comment)
		}
	}
}
