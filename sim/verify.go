package sim

import (
	"fmt"
	"slices"

	"simplane/sim/scenario"
)

// Difference is the first line at which two event logs of one scenario differ.
type Difference struct {
	Line int64  // number of the first line that differs, from 1
	A, B string // the lines; "" past the end of a log
}

func (d *Difference) String() string {
	return fmt.Sprintf("first difference at event %d:\n    one run: %s\n  the other: %s", d.Line, d.A, d.B)
}

// Compare finds the first difference of two runs. rerun repeats each with lines
// kept. It is called for the lines between the last common mark and the next one
// only, so that logs of any length can be compared in little memory.
func Compare(a, b *Result, rerunA, rerunB func(from, to int64) (*Result, error)) (*Difference, error) {
	if a.Digest == b.Digest {
		return nil, nil
	}
	from := commonMark(a.Marks, b.Marks) + 1
	const stretch = 1 << 14
	for ; from <= max(a.Events, b.Events); from += stretch {
		ka, err := rerunA(from, from+stretch)
		if err != nil {
			return nil, err
		}
		kb, err := rerunB(from, from+stretch)
		if err != nil {
			return nil, err
		}
		if i := firstDifference(ka.Kept, kb.Kept); i >= 0 {
			return &Difference{Line: from + int64(i), A: lineAt(ka.Kept, i), B: lineAt(kb.Kept, i)}, nil
		}
	}
	return nil, fmt.Errorf("the digests differ, but the logs did not when run again")
}

// commonMark is the number of lines up to which the marks agree.
func commonMark(a, b []Mark) int64 {
	common := int64(0)
	for _, m := range a {
		i := slices.IndexFunc(b, func(other Mark) bool { return other.Lines == m.Lines })
		if i < 0 {
			continue
		}
		if b[i].Digest != m.Digest {
			break
		}
		common = m.Lines
	}
	return common
}

func firstDifference(a, b []string) int {
	for i := range max(len(a), len(b)) {
		if lineAt(a, i) != lineAt(b, i) {
			return i
		}
	}
	return -1
}

func lineAt(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return ""
}

// RunTwice runs a scenario twice in this process and compares the logs.
func RunTwice(sc *scenario.Scenario) (*Result, *Difference, error) {
	first, err := Run(sc, Options{})
	if err != nil {
		return nil, nil, err
	}
	second, err := Run(sc, Options{})
	if err != nil {
		return nil, nil, err
	}
	rerun := func(from, to int64) (*Result, error) { return Run(sc, Options{KeepFrom: from, KeepTo: to}) }
	d, err := Compare(first, second, rerun, rerun)
	if err != nil {
		err = fmt.Errorf("%s: %w (digests %s and %s)", sc.Name, err, first.Digest, second.Digest)
	}
	return first, d, err
}
