// Package guard finds performance regressions: it runs the Go benchmarks of a
// base commit and of the working tree interleaved and tests whether they
// differ.
package guard

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Options of a check.
type Options struct {
	Repo      string // top directory of the git repository and Go module
	Base      string // revision to compare with
	Package   string // such as ./bench/corebench
	Bench     string // regular expression of benchmark names
	BenchTime string // as of go test, such as 100ms
	Rounds    int    // runs of each side, 4..MaxRounds
	// Alpha is the chance of a false alarm over the whole check, 0 to 1.
	Alpha float64
	// Threshold is the growth, as a share, below which a significant
	// difference in time or bytes is let pass. A further allocation never is.
	Threshold float64
}

// MaxRounds bounds a check.
const MaxRounds = 200

// Validate reports what makes the options unusable.
func (o Options) Validate() error {
	switch {
	case o.Rounds < 4 || o.Rounds > MaxRounds:
		return fmt.Errorf("rounds %d is out of range: want 4 to %d", o.Rounds, MaxRounds)
	case !(o.Alpha > 0 && o.Alpha < 1):
		return fmt.Errorf("alpha %v is out of range: want between 0 and 1", o.Alpha)
	case !(o.Threshold >= 0 && o.Threshold < 10):
		return fmt.Errorf("threshold %v is out of range: want 0 to 10", o.Threshold)
	case o.Base == "" || strings.HasPrefix(o.Base, "-"):
		return fmt.Errorf("base %q is not a revision", o.Base)
	}
	return nil
}

// smallestP is the smallest p-value the two-sided U test can reach with n
// values on each side: both extremes of all orderings.
func smallestP(n int) float64 {
	orderings, _ := new(big.Float).SetInt(new(big.Int).Binomial(int64(2*n), int64(n))).Float64()
	return 2 / orderings
}

// Run measures and judges. progress, when not nil, is told what is going on.
func Run(ctx context.Context, o Options, progress func(string)) (*Result, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if progress == nil {
		progress = func(string) {}
	}
	tmp, err := os.MkdirTemp("", "simplane-bench-check-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)
	commit, err := output(ctx, o.Repo, "git", "rev-parse", "--verify", "--quiet", o.Base+"^{commit}")
	if err != nil {
		return nil, fmt.Errorf("%w: %q is not a commit here", ErrUsage, o.Base)
	}
	commit = strings.TrimSpace(commit)
	progress("unpacking " + commit)
	baseTree := filepath.Join(tmp, "base")
	if err := export(ctx, o.Repo, commit, baseTree); err != nil {
		return nil, err
	}
	sides := []side{{name: "base", tree: baseTree}, {name: "head", tree: o.Repo}}
	for i := range sides {
		progress("building " + sides[i].name)
		if err := sides[i].build(ctx, o.Package, tmp); err != nil {
			return nil, err
		}
	}
	m := newMeasurements()
	for round := range o.Rounds {
		order := []int{0, 1}
		if round%2 == 1 {
			order = []int{1, 0} // ABBA: slow drift hits both sides alike
		}
		for _, i := range order {
			progress(fmt.Sprintf("round %d of %d, %s", round+1, o.Rounds, sides[i].name))
			text, err := sides[i].run(ctx, o)
			if err != nil {
				return nil, err
			}
			if err := m.add(i, text); err != nil {
				return nil, err
			}
		}
	}
	return m.judge(commit, o)
}

// ErrUsage marks errors of the caller's making.
var ErrUsage = errors.New("usage")

// export unpacks a commit without leaving a trace in the repository, also
// when this process is killed half way.
func export(ctx context.Context, repo, commit, dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	archive := filepath.Join(dir, "..", "base.tar")
	if _, err := output(ctx, repo, "git", "archive", "--output", archive, commit); err != nil {
		return err
	}
	_, err := output(ctx, dir, "tar", "-xf", archive)
	return err
}

type side struct {
	name, tree, binary, dir string
}

func (s *side) build(ctx context.Context, pkg, tmp string) error {
	s.dir = filepath.Join(s.tree, filepath.FromSlash(pkg))
	if st, err := os.Stat(s.dir); err != nil || !st.IsDir() {
		return fmt.Errorf("%s has no package %s", s.name, pkg)
	}
	s.binary = filepath.Join(tmp, s.name+".test")
	_, err := output(ctx, s.tree, "go", "test", "-c", "-o", s.binary, pkg)
	return err
}

func (s *side) run(ctx context.Context, o Options) (string, error) {
	return output(ctx, s.dir, s.binary, "-test.run=^$", "-test.bench="+o.Bench, "-test.benchtime="+o.BenchTime, "-test.benchmem", "-test.count=1")
}

// output runs a command in dir and returns its standard output.
func output(ctx context.Context, dir string, argv ...string) (string, error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...) // #nosec G204 -- the caller's own tools
	cmd.Dir = dir
	var out, errOut strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); err != nil {
		text := strings.TrimSpace(errOut.String() + out.String())
		if len(text) > 500 {
			text = "..." + text[len(text)-500:]
		}
		return "", fmt.Errorf("%s: %w: %s", strings.Join(argv[:min(3, len(argv))], " "), err, text)
	}
	return out.String(), nil
}
