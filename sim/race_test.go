//go:build race

package sim

// raceEnabled cuts down what only statistics needs: races do not hide in the
// number of samples.
const raceEnabled = true
