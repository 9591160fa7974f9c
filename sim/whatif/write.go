package whatif

import "simplane/sim/scenario"

// Write writes a scenario and its side files, and reads them back: what is
// written can be run. It overwrites what is there.
func Write(path string, sc *scenario.Scenario, comment string) error {
	if err := scenario.WriteFiles(path, sc, comment); err != nil {
		return err
	}
	_, err := scenario.ReadFile(path)
	return err
}
