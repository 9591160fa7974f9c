package main

import (
	"fmt"
	"os"
	"slices"
	"syscall"

	"simplane/bench/machine"
	"simplane/bench/page"
)

// measured is a case with its runs.
type measured struct {
	*kase
	runs []figures
}

// median of a figure over the runs.
func (m *measured) median(of func(*figures) float64) float64 {
	all := make([]float64, len(m.runs))
	for i := range m.runs {
		all[i] = of(&m.runs[i])
	}
	return median(all)
}

func median(of []float64) float64 {
	all := slices.Sorted(slices.Values(of))
	n := len(all)
	return (all[(n-1)/2] + all[n/2]) / 2
}

// rate is executions a second of processor time, the kernel's share of it included.
func (m *measured) rate() float64 {
	return m.median(func(f *figures) float64 { return float64(f.Executions) / (f.User + f.System) })
}

func table(all []measured) page.Table {
	t := page.Table{Head: []string{"case", "executions", "M/s", "µs each", "events/s", "user s", "system s", "most memory"}}
	for i := range all {
		m := &all[i]
		events := m.median(func(f *figures) float64 { return float64(f.Events) / (f.User + f.System) })
		perSecond := fmt.Sprintf("%.1f M", events/1e6)
		if events == 0 {
			perSecond = "-"
		}
		t.Rows = append(t.Rows, []string{
			m.name, fmt.Sprint(m.runs[0].Executions), fmt.Sprintf("%.2f", m.rate()/1e6), fmt.Sprintf("%.2f", 1e6/m.rate()), perSecond,
			fmt.Sprintf("%.2f", m.median(func(f *figures) float64 { return f.User })), fmt.Sprintf("%.2f", m.median(func(f *figures) float64 { return f.System })),
			fmt.Sprintf("%.0f MiB", m.median(func(f *figures) float64 { return float64(f.Memory) / (1 << 20) })),
		})
	}
	return t
}

// mostMemory is the most that a process had, in bytes.
func mostMemory(p *os.ProcessState) int64 {
	if used, ok := p.SysUsage().(*syscall.Rusage); ok {
		return used.Maxrss << 10
	}
	return 0
}

// writePage writes the table of medians, and the one of an earlier binary, if any.
func writePage(path string, tables []page.Table) error {
	var what [][]string
	for i := range cases {
		what = append(what, []string{cases[i].name, cases[i].what})
	}
	p := page.Page{
		Title: "Speed of the simulator",
		Notes: []string{
			"Executions a second of processor time on one processor. In each simulated case core decides, its steps are taken again from their records, every event is in the digest, and except where it says otherwise every invariant is checked.",
			aboutMachine(),
		},
		Sections: []page.Section{{Heading: "Medians", Tables: tables[:1]}},
	}
	if len(tables) > 1 {
		p.Sections = append(p.Sections, page.Section{Heading: "Beside an earlier binary, in turns", Tables: tables[1:]})
	}
	p.Sections = append(p.Sections, page.Section{Heading: "Cases", Tables: []page.Table{{Rows: what}}})
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := p.Write(f); err != nil {
		return err
	}
	return f.Close()
}

func aboutMachine() string {
	m := machine.Read()
	return fmt.Sprintf("%s, %d cores, %s, %s; load average %s before.", m.CPU, m.Cores, m.Kernel, m.Go, m.LoadAverage)
}
