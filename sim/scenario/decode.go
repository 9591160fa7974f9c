package scenario

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"simplane/core/strictyaml"
)

// ReadFile reads and checks a scenario file and the side files that it names.
// The error is a *strictyaml.Error when the content is at fault.
func ReadFile(path string) (*Scenario, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fileError(path, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, strictyaml.MaxBytes+1))
	if err != nil {
		return nil, fileError(path, err)
	}
	s, err := Parse(path, data)
	if err != nil {
		return nil, err
	}
	return s, s.readSideFiles(filepath.Dir(path))
}

func fileError(path string, err error) error {
	var pathErr *os.PathError
	if errors.As(err, &pathErr) {
		err = pathErr.Err
	}
	return &strictyaml.Error{Problems: []strictyaml.Problem{{File: path, Line: 1, What: fmt.Sprintf("cannot read it: %v; give the path of a scenario file", err)}}}
}

// Parse decodes and checks a scenario; file is named in messages. Side files are
// not read. The error is a *strictyaml.Error.
func Parse(file string, data []byte) (*Scenario, error) {
	docs, err := strictyaml.Parse(file, data)
	if err != nil {
		return nil, err
	}
	p := &problems{File: file}
	switch len(docs) {
	case 0:
		p.Add(1, "empty; a scenario needs at least name, duration and functions")
		return nil, p.Err()
	case 1:
	default:
		p.Add(docs[1].Line, "a second YAML document; put each scenario into a file of its own")
		return nil, p.Err()
	}
	s := scenarioTable.fresh()
	scenarioTable.decode(p, docs[0], "", &s)
	s.File = file
	if p.Any() {
		references(&s, p) // what is left out above would only confuse the other checks
	} else {
		check(&s, p)
	}
	if err := p.Err(); err != nil {
		return nil, err
	}
	return &s, nil
}

type problems = strictyaml.Problems
