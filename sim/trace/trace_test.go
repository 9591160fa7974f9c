package trace

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"simplane/core"
	"simplane/sim"
	"simplane/sim/scenario"
)

const dir = "../../scenarios/traces/"

// load runs a converted trace as its files would be read.
func load(t *testing.T, im *Import, err error) (*scenario.Scenario, *sim.Result) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), im.Scenario.Name+".yaml")
	if err := scenario.WriteFiles(path, im.Scenario, im.Comment()); err != nil {
		t.Fatal(err)
	}
	read, err := scenario.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r, err := sim.Run(read, sim.Options{})
	if err != nil || r.Violation != nil {
		t.Fatal(err, r.Violation)
	}
	return read, r
}

// write makes files in a directory and returns their paths.
func write(t *testing.T, texts ...string) (paths []string) {
	t.Helper()
	tmp := t.TempDir()
	for i, text := range texts {
		path := filepath.Join(tmp, string(rune('a'+i))+".csv")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	return paths
}

func named(name string) Options { return Options{Name: name, File: name + ".yaml", Within: "uniform"} }

// notes fails unless each of the texts is in a note.
func notes(t *testing.T, im *Import, want ...string) {
	t.Helper()
	all := im.Comment()
	for _, text := range want {
		if !strings.Contains(all, text) {
			t.Errorf("no note says %q in:\n%s", text, all)
		}
	}
}

// TestAzure2019: all 4,525 invocations of the sample day arrive, and service
// times are within each function's percentiles.
func TestAzure2019(t *testing.T) {
	for _, within := range []string{"uniform", "poisson"} {
		o := named("day")
		o.Within = within
		im, err := Azure2019(dir+"invocations.csv", dir+"durations.csv", dir+"memory.csv", o)
		read, r := load(t, im, err)
		if read.Duration != 24*time.Hour || len(read.Functions) != 4 || len(im.Notes) != 0 {
			t.Errorf("%v, %d functions, notes %q", read.Duration, len(read.Functions), im.Notes)
		}
		notes(t, im, "120.0 MB")
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
	o := named("azure-2019-day")
	o.Seed = 1
	im, err := Azure2019(dir+"invocations.csv", dir+"durations.csv", dir+"memory.csv", o)
	if err != nil {
		t.Fatal(err)
	}
	im.Scenario.Expect = published.Expect
	made, err := scenario.Parse("made.yaml", scenario.Marshal(im.Scenario, im.Comment()))
	if err != nil {
		t.Fatal(err)
	}
	if a, b := string(scenario.Marshal(made, "")), string(scenario.Marshal(published, "")); a != b {
		t.Error("the importer makes another scenario now; run 'simplane sim import-trace' again")
	}
}

// TestBusiest keeps the busiest functions only, and says so.
func TestBusiest(t *testing.T) {
	o := named("x")
	o.Functions = 1
	im, err := Azure2019(dir+"invocations.csv", dir+"durations.csv", "", o)
	if err != nil || len(im.Scenario.Functions) != 1 || im.Scenario.Functions[0].Name != "fn-c13acdc7" {
		t.Fatalf("%+v %v", im, err)
	}
	notes(t, im, "The 3 least busy functions are left out, with 3375 invocations.")
}

// TestBadTraces are reported with file and line.
func TestBadTraces(t *testing.T) {
	const goodInvocations, goodDurations = "HashOwner,HashApp,HashFunction,Trigger,1\no,a,f,t,1\n", "HashOwner,HashApp,HashFunction,percentile_Average_50\no,a,f,10\n"
	for name, c := range map[string]struct{ invocations, durations, want string }{
		"empty":                  {"", "", "a.csv:1: no header"},
		"another file":           {"a,b,c\n1,2,3\n", "", `a.csv:1: no column "HashFunction"`},
		"a column twice":         {"HashFunction,1,1\nf,1,1\n", "", `a.csv:1: two columns are named "1"`},
		"a minute is missing":    {"HashFunction,1,2,4\nf,1,1,1\n", "", `a.csv:1: no column "3", and the last minute is 4`},
		"not a count":            {"HashFunction,Trigger,1\nf,t,many\n", "", `a.csv:2: minute 1: "many"`},
		"a count in part":        {"HashFunction,Trigger,1\nf,t,1.5\n", "", `a.csv:2: minute 1: "1.5"`},
		"negative":               {"HashFunction,Trigger,1\nf,t,0\ng,t,-1\n", "", `a.csv:3: minute 1: "-1"`},
		"too many":               {"HashFunction,Trigger,1\nf,t,1000000001\n", "", "a.csv:2: minute 1"},
		"short row":              {"HashFunction,Trigger,1\no,a\n", "", "a.csv:2: wrong number of fields"},
		"no name":                {"HashFunction,Trigger,1\n,t,1\n", "", "a.csv:2: HashFunction is empty"},
		"no durations":           {goodInvocations, "HashFunction,percentile_Average_50\n", "no durations of any function"},
		"no invocations":         {"HashFunction,Trigger,1\nf,t,0\n", goodDurations, "a.csv: the trace has no invocations"},
		"durations of what":      {goodInvocations, "HashFunction\n", `b.csv:1: no column "percentile_Average_50"`},
		"not a duration":         {goodInvocations, "HashOwner,HashApp,HashFunction,percentile_Average_50\no,a,f,x\n", `b.csv:2: percentile_Average_50: "x" is not a number of milliseconds`},
		"an empty duration":      {goodInvocations, "HashOwner,HashApp,HashFunction,percentile_Average_50\no,a,f,\n", `b.csv:2: percentile_Average_50: ""`},
		"endless":                {goodInvocations, "HashOwner,HashApp,HashFunction,percentile_Average_50\no,a,f,1e12\n", "b.csv:2: percentile_Average_50"},
		"an average that is not": {goodInvocations, "HashOwner,HashApp,HashFunction,percentile_Average_50,Average\no,a,f,1,-1\n", `b.csv:2: Average: "-1"`},
		"written for Go":         {goodInvocations, "HashOwner,HashApp,HashFunction,percentile_Average_50\no,a,f,0x1p3\n", `b.csv:2: percentile_Average_50: "0x1p3"`},
		"digits in groups":       {goodInvocations, "HashOwner,HashApp,HashFunction,percentile_Average_50\no,a,f,1_000\n", `b.csv:2: percentile_Average_50: "1_000"`},
		"quotes":                 {goodInvocations + "\"o,a,f,t,1\n", goodDurations, "a.csv:3"},
	} {
		paths := write(t, c.invocations, c.durations)
		if _, err := Azure2019(paths[0], paths[1], "", named("x")); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
	for _, mb := range []string{"NaN", "-1", "Inf", "x", ""} {
		paths := write(t, goodInvocations, goodDurations, "HashOwner,HashApp,AverageAllocatedMb\no,a,"+mb+"\n")
		if _, err := Azure2019(paths[0], paths[1], paths[2], named("x")); err == nil || !strings.Contains(err.Error(), "c.csv:2: AverageAllocatedMb") {
			t.Errorf("memory %q: got %v", mb, err)
		}
	}
	const head = "app,func,end_timestamp,duration\n"
	for name, c := range map[string]struct{ text, want string }{
		"no column":        {"app,func,end_timestamp\n", `a.csv:1: no column "duration"`},
		"no calls":         {head, "a.csv:1: no calls"},
		"no name":          {head + "a,,10,1\n", "a.csv:2: func is empty"},
		"not a duration":   {head + "a,f,10,1\na,f,10,x\n", `a.csv:3: duration: "x" is not a number of seconds`},
		"negative":         {head + "a,f,10,-1\n", `a.csv:2: duration: "-1"`},
		"nothing":          {head + "a,f,,1\n", `a.csv:2: end_timestamp: ""`},
		"longer than core": {head + "a,f,10,604800\n", `a.csv:2: duration: "604800"`},
	} {
		if _, err := Azure2021(write(t, c.text)[0], named("x")); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("2021, %s: got %v, want %q", name, err, c.want)
		}
	}
	if _, err := Azure2019(filepath.Join(t.TempDir(), "absent.csv"), dir+"durations.csv", "", named("x")); err == nil {
		t.Error("an absent file was read")
	}
}

// TestGapsOfPublishedDays: the published days have functions without durations,
// and rows twice; what is left out is counted.
func TestGapsOfPublishedDays(t *testing.T) {
	paths := write(t,
		"HashOwner,HashApp,HashFunction,Trigger,1,2\no,a,f,t,3,1\no,a,g,t,5,0\no,a,f,t,9,9\no,a,h,t,0,0\no,b,f,t,1,0\n",
		"HashOwner,HashApp,HashFunction,percentile_Average_50\no,a,f,10\no,a,f,20\no,x,f,1\no,b,f,1\n",
		"HashOwner,HashApp,SampleCount,AverageAllocatedMb\no,a,7,128\no,x,7,1\n")
	im, err := Azure2019(paths[0], paths[1], paths[2], named("x"))
	if err != nil || len(im.Scenario.Functions) != 2 || im.Scenario.Description != "2 functions, 5 invocations in 2m0s" {
		t.Fatalf("%+v %v", im, err)
	}
	if got := im.Scenario.Functions[0].Behavior.Latency.Percentiles[0].Value; got != 10*time.Millisecond {
		t.Errorf("the second of two rows of durations counts: %v", got)
	}
	notes(t, im, "2 minutes; a whole day has 1440.", "1 rows of functions that are there twice", "1 functions without durations are left out, with 5 invocations",
		"1 functions without a call", "1 rows of durations are of functions that have some", "1 rows of durations are of functions without invocations",
		"no columns percentile_Average_0, percentile_Average_1, percentile_Average_25, percentile_Average_75, percentile_Average_99, percentile_Average_100, Average, Maximum",
		"128 MB on average in its application", "1 rows of memory")
}

// TestRowsAreOfTheirFunctions: owner, application and name tell functions apart,
// not what they look like in a row.
func TestRowsAreOfTheirFunctions(t *testing.T) {
	paths := write(t,
		"HashOwner,HashApp,HashFunction,Trigger,1\no/a,b,f,t,1\no,a/b,f,t,2\no,a,b/f,t,4\n",
		"HashOwner,HashApp,HashFunction,percentile_Average_50\no/a,b,f,10\no,a/b,f,20\no,a,b/f,30\n",
		"HashOwner,HashApp,AverageAllocatedMb\no/a,b,1\no,a/b,2\n")
	im, err := Azure2019(paths[0], paths[1], paths[2], named("x"))
	if err != nil || len(im.Scenario.Functions) != 3 {
		t.Fatalf("%+v %v", im, err)
	}
	for i, want := range []time.Duration{30, 20, 10} { // the busiest first
		if got := im.Scenario.Functions[i].Behavior.Latency.Percentiles[0].Value; got != want*time.Millisecond {
			t.Errorf("function %d: %v, want %v ms", i, got, want)
		}
	}
	notes(t, im, "1 invocations, 1 MB", "2 invocations, 2 MB")
}

// TestFallingPercentiles are told: no distribution has them.
func TestFallingPercentiles(t *testing.T) {
	const invocations, head = "HashFunction,Trigger,1\nf,t,1\ng,t,1\n", "HashFunction,Maximum,percentile_Average_25,percentile_Average_50,percentile_Average_100\ng,4,1,2,4\n"
	for row, want := range map[string]string{
		"f,4,2,1,4\n": "1 functions have a percentile, or a Maximum, below",
		"f,3,1,2,4\n": "1 functions have a percentile, or a Maximum, below",
		"f,4,2,2,4\n": "",
	} {
		paths := write(t, invocations, head+row)
		im, err := Azure2019(paths[0], paths[1], "", named("x"))
		if err != nil {
			t.Fatal(err)
		}
		if notes(t, im, want); want == "" && strings.Contains(im.Comment(), "below") {
			t.Errorf("%q: %s", row, im.Comment())
		}
	}
}

// TestTooCrowded: what a function cannot have is told.
func TestTooCrowded(t *testing.T) {
	paths := write(t, "HashFunction,Trigger,1\nf,t,1000000000\n", "HashFunction,percentile_Average_50\nf,60000\n")
	im, err := Azure2019(paths[0], paths[1], "", named("x"))
	if err != nil || im.Scenario.Functions[0].Concurrency != core.MaxConcurrency {
		t.Fatalf("%+v %v", im, err)
	}
	notes(t, im, "1 functions need more slots than a function can have")
}

// TestByteOrderMark: it goes before a header with quotes, too.
func TestByteOrderMark(t *testing.T) {
	for _, head := range []string{"app,func", `"app","func"`} {
		im, err := Azure2021(write(t, "\ufeff"+head+",end_timestamp,duration\r\na,f,1.5,0.5\r\n")[0], named("x"))
		if _, r := load(t, im, err); r.Total.Get("success") != 1 {
			t.Errorf("%s: %+v", head, r.Total)
		}
	}
}

// TestNames: whatever functions are called, the scenario has names that core takes,
// one for each, and its head stays a comment.
func TestNames(t *testing.T) {
	paths := write(t,
		"HashOwner,HashApp,HashFunction,Trigger,1\no,a,../etc,t,1\no,a,\"x\ny: z\",t,1\no,a,größe,t,1\no\xff,a\xfe,zz,t,1\no,a,abcdefgh1,t,1\no,a,abcdefgh2,t,1\no,b,abcdefgh1,t,1\no,b,---,t,1\n",
		"HashOwner,HashApp,HashFunction,percentile_Average_50\no,a,../etc,1\no,a,\"x\ny: z\",1\no,a,größe,1\no\xff,a\xfe,zz,1\no,a,abcdefgh1,1\no,a,abcdefgh2,1\no,b,abcdefgh1,1\no,b,---,1\n")
	im, err := Azure2019(paths[0], paths[1], "", named("x"))
	read, r := load(t, im, err)
	if len(read.Functions) != 8 || r.Total.Get("success") != 8 {
		t.Errorf("%d functions, %d successes", len(read.Functions), r.Total.Get("success"))
	}
	notes(t, im, "3 functions have other characters", `o/a/x\ny: z`, `"o\xff/a\xfe/zz"`)
}

// TestMeanIsKept: whatever the percentiles, if a distribution with them has the mean
// then this one has, and the given percentiles stay.
func TestMeanIsKept(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var p []scenario.Percentile
		last := time.Duration(0)
		low, high := 0.0, 0.0
		for i, rank := range durationColumns {
			step := time.Duration(rapid.Int64Range(0, int64(time.Minute)).Draw(t, "step")).Round(time.Microsecond)
			if i > 0 {
				low += (rank - durationColumns[i-1]) / 100 * float64(last)
			}
			last += step
			if i > 0 {
				high += (rank - durationColumns[i-1]) / 100 * float64(last)
			}
			p = append(p, scenario.Percentile{Rank: rank, Value: last})
		}
		at := rapid.Float64Range(0.001, 0.999).Draw(t, "at")
		mean := time.Duration(low + at*(high-low))
		bent, possible := withMean(p, mean)
		if got := meanOf(bent); math.Abs(float64(got-mean)) > 0.002*float64(mean)+1e4 || !possible && high-low > 1e6 {
			t.Fatalf("mean %v of %v, want %v (possible %v)", got, bent, mean, possible)
		}
		for i := range bent {
			if i > 0 && (bent[i].Rank <= bent[i-1].Rank || bent[i].Value < bent[i-1].Value) {
				t.Fatalf("not ascending: %v", bent)
			}
		}
		for _, want := range p {
			if !slices.Contains(bent, want) {
				t.Fatalf("%v is gone from %v", want, bent)
			}
		}
		for _, beyond := range []time.Duration{time.Duration(low*0.9) - time.Second, time.Duration(high*1.1) + time.Second} {
			if _, possible := withMean(p, beyond); possible {
				t.Fatalf("a mean of %v between %v and %v", beyond, time.Duration(low), time.Duration(high))
			}
		}
	})
}

// TestSlowCallsOf2019: a function of which one call in a thousand takes minutes has
// the mean and the slowest call of its row, and each call is done before its timeout
// and before it is stale.
func TestSlowCallsOf2019(t *testing.T) {
	paths := write(t,
		"HashOwner,HashApp,HashFunction,Trigger,1\no,a,f,t,5000\n",
		"HashOwner,HashApp,HashFunction,Average,Count,Minimum,Maximum,percentile_Average_0,percentile_Average_1,percentile_Average_25,percentile_Average_50,percentile_Average_75,percentile_Average_99,percentile_Average_100\n"+
			"o,a,f,1900,5000,5,1200000,10,10,20,30,40,100,400000\n")
	im, err := Azure2019(paths[0], paths[1], "", named("x"))
	read, r := load(t, im, err)
	p := read.Functions[0].Behavior.Latency.Percentiles
	if got := p[len(p)-1].Value; got != 20*time.Minute {
		t.Errorf("the slowest call takes %v", got)
	}
	if got := meanOf(p); got < 1896*time.Millisecond || got > 1904*time.Millisecond {
		t.Errorf("mean %v, the row says 1.9 s", got)
	}
	if r.Total.Get("success") != 5000 {
		t.Errorf("%d of 5000 succeed: %+v", r.Total.Get("success"), r.Total)
	}
	// Few of the calls make the mean: five standard errors, of a variance below max² x share.
	if off := math.Abs(float64(r.Functions[0].Service.Mean)/1e9 - 1.9); off > 5*math.Sqrt(1200*1.9/5000) {
		t.Errorf("simulated mean %v", time.Duration(r.Functions[0].Service.Mean))
	}
}
