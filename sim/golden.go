package sim

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Golden is the recorded outcome of a scenario. It shows whether a later run
// differs, about where, and in which counts.
type Golden struct {
	Scenario string
	Seed     uint64
	Events   int64
	Digest   string
	Counts   map[string]int64 // totals that are not zero
	Marks    []Mark
}

// goldenMarks is how many prefix digests a record keeps.
const goldenMarks = 16

// NewGolden is the record of a run.
func NewGolden(r *Result) Golden {
	g := Golden{Scenario: r.Scenario, Seed: r.Seed, Events: r.Events, Digest: r.Digest, Counts: map[string]int64{}}
	for i, name := range counterNames {
		if r.Total[i] != 0 {
			g.Counts[name] = r.Total[i]
		}
	}
	step := (len(r.Marks) + goldenMarks - 1) / goldenMarks
	for i := step - 1; step > 0 && i < len(r.Marks); i += step {
		g.Marks = append(g.Marks, r.Marks[i])
	}
	return g
}

// ReadGolden reads golden records; a file that does not exist has none.
func ReadGolden(path string) (map[string]Golden, error) {
	data, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return map[string]Golden{}, nil
	}
	if err != nil {
		return nil, err
	}
	all := map[string]Golden{}
	var g Golden
	lines := bufio.NewScanner(bytes.NewReader(data))
	for n := 1; lines.Scan(); n++ {
		words := strings.Fields(lines.Text())
		if len(words) == 0 || words[0] == "#" {
			continue
		}
		bad := fmt.Errorf("%s:%d: not a golden record; make the file again with 'sim verify --update-golden'", path, n)
		switch {
		case words[0] == "scenario" && len(words) == 5:
			g = Golden{Scenario: words[1], Digest: words[4], Counts: map[string]int64{}}
			g.Seed, err = strconv.ParseUint(words[2], 10, 64)
			if err == nil {
				g.Events, err = strconv.ParseInt(words[3], 10, 64)
			}
		case words[0] == "count" && len(words) == 3:
			g.Counts[words[1]], err = strconv.ParseInt(words[2], 10, 64)
		case words[0] == "mark" && len(words) == 4:
			m := Mark{Digest: words[3]}
			m.Lines, err = strconv.ParseInt(words[1], 10, 64)
			if err == nil {
				m.At, err = strconv.ParseInt(words[2], 10, 64)
			}
			g.Marks = append(g.Marks, m)
		default:
			err = bad
		}
		if err != nil {
			return nil, bad
		}
		all[g.Scenario] = g
	}
	return all, lines.Err()
}

// WriteGolden writes records, sorted by scenario.
func WriteGolden(path string, all map[string]Golden) error {
	var names []string
	for name := range all {
		names = append(names, name)
	}
	slices.Sort(names)
	var b bytes.Buffer
	b.WriteString("# Golden records of the scenarios: digest of the event log, totals, and digests of\n" +
		"# its beginnings. Refresh with: simplane sim verify --update-golden scenarios/*.yaml\n" +
		"# scenario NAME SEED EVENTS DIGEST / count NAME VALUE / mark EVENTS NANOSECONDS DIGEST\n")
	for _, name := range names {
		g := all[name]
		fmt.Fprintf(&b, "\nscenario %s %d %d %s\n", g.Scenario, g.Seed, g.Events, g.Digest)
		for _, c := range counterNames {
			if v := g.Counts[c]; v != 0 {
				fmt.Fprintf(&b, "count %s %d\n", c, v)
			}
		}
		for _, m := range g.Marks {
			fmt.Fprintf(&b, "mark %d %d %s\n", m.Lines, m.At, m.Digest)
		}
	}
	return os.WriteFile(path, b.Bytes(), 0o644)
}

// Explain says how a run differs from its golden record, "" when it does not.
// rerun repeats the run with lines kept.
func (g *Golden) Explain(r *Result, rerun func(from, to int64) (*Result, error)) (string, error) {
	if g.Digest == r.Digest {
		return "", nil
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: the event log is not the golden one any more\n  golden %s, %d events\n  now    %s, %d events\n",
		r.Scenario, g.Digest, g.Events, r.Digest, r.Events)
	if g.Seed != r.Seed {
		fmt.Fprintf(&b, "  the seed was %d and is %d\n", g.Seed, r.Seed)
	}
	for i, name := range counterNames {
		if g.Counts[name] != r.Total[i] {
			fmt.Fprintf(&b, "  %s was %d and is %d\n", name, g.Counts[name], r.Total[i])
		}
	}
	from, to := int64(1), r.Events
	for _, m := range g.Marks {
		now, err := rerun(m.Lines, m.Lines+1)
		if err != nil {
			return "", err
		}
		i := slices.IndexFunc(now.Marks, func(other Mark) bool { return other.Lines == m.Lines })
		if i >= 0 && now.Marks[i].Digest == m.Digest {
			from = m.Lines + 1
			continue
		}
		to = m.Lines
		fmt.Fprintf(&b, "  the first difference lies at or before %v\n", time.Duration(m.At))
		break
	}
	const shown = 12
	now, err := rerun(from, from+shown)
	if err != nil {
		return "", err
	}
	fmt.Fprintf(&b, "  it is among events %d to %d, which now begin:\n", from, to)
	for _, line := range now.Kept {
		fmt.Fprintf(&b, "    %s\n", line)
	}
	return b.String(), nil
}
