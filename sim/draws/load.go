package draws

import (
	"fmt"
	"strconv"
	"time"

	"simplane/sim/internal/random"
	"simplane/sim/scenario"
)

// Load is one stream of calls at one registered function: when they come, and what
// each brings.
type Load struct {
	Decl     *scenario.Load
	Function string // its registered name

	arrivals          arrivals
	keyDraws, inDraws random.Stream
	pauses            random.Stream
}

// Loads are a scenario's streams of calls in the order of declaration, one for each
// copy of a function.
func Loads(sc *scenario.Scenario) []Load {
	var all []Load
	perFunction := map[string]int{} // a load's label counts its function's loads only
	for i := range sc.Load {
		l := &sc.Load[i]
		perFunction[l.Function]++
		for _, name := range sc.Find(l.Function).Names() {
			label := fmt.Sprintf("%s/%d", name, perFunction[l.Function])
			all = append(all, Load{
				Decl: l, Function: name,
				arrivals: newArrivals(&l.Arrivals, sc.Duration, random.New(sc.Seed, "arrivals/"+label)),
				keyDraws: random.New(sc.Seed, "keys/"+label),
				inDraws:  random.New(sc.Seed, "inputs/"+label),
				pauses:   random.New(sc.Seed, "callers/"+label),
			})
		}
	}
	return all
}

// Next is the time of the next call, counted from the start; false when there is
// none.
func (l *Load) Next() (time.Duration, bool) {
	at, ok := l.arrivals.next()
	return time.Duration(at), ok
}

// Brings is what the next call brings: the number of its input, and that of its
// idempotency key, -1 for none. It is drawn once for each call.
func (l *Load) Brings() (input, key int) {
	if l.Decl.Inputs > 1 {
		input = l.inDraws.Below(l.Decl.Inputs)
	}
	key = -1
	if l.Decl.IdempotencyKeys > 0 {
		key = l.keyDraws.Below(l.Decl.IdempotencyKeys)
	}
	return input, key
}

// Pause is how long a caller waits after its n-th try, from 1, in ns.
func (l *Load) Pause(n int) int64 {
	mean := float64(l.Decl.Callers.Backoff)
	for range min(n-1, 40) {
		mean *= 2
	}
	return Nanos(float64(mean * (0.5 + l.pauses.Unit())))
}

// Recorded are the calls of a stream with a time for each; nil of others.
func (l *Load) Recorded() []scenario.Call { return l.arrivals.exact }

// call is the one whose time Next has returned last; nil if it is not recorded.
func (l *Load) call() *scenario.Call {
	if n := l.arrivals.n - 1; n >= 0 && n < int64(len(l.arrivals.exact)) {
		return &l.arrivals.exact[n]
	}
	return nil
}

// Size is how many bytes the call brings whose time Next has returned last, if that
// is recorded; 0 = what Brings says.
func (l *Load) Size() int {
	if c := l.call(); c != nil {
		return InputSize(c)
	}
	return 0
}

// Took is how long the dispatches of the call take whose time Next has returned
// last; false = as the function's behavior says.
func (l *Load) Took() (time.Duration, bool) {
	if c := l.call(); c != nil && c.Timed {
		return c.Took, true
	}
	return 0, false
}

// KeyName is the text of an idempotency key. A function's loads share them.
func KeyName(n int) string { return "key-" + strconv.Itoa(n) }

// Output is what a success answers.
var Output = []byte(`{"ok":true}`)

// inputs are what calls bring.
var inputs = func() (all [scenario.MaxInputs][]byte) {
	for i := range all {
		all[i] = fmt.Appendf(nil, `{"n":%d}`, i+1)
	}
	return all
}()

// Input is what a call brings, by its number; most bring the first.
func Input(n int) []byte { return inputs[n] }

// A call with a service time of its own brings that, as nanoseconds in nineteen
// digits: so every dispatch of it knows, after retries, redrives and crashes too.
const (
	timedHead, timedTail = `{"ns":"`, `"}`
	timedDigits          = 19
	timedSize            = len(timedHead) + timedDigits + len(timedTail)
)

// InputSize is how many bytes a recorded call brings; 0 = as many as others.
func InputSize(c *scenario.Call) int {
	if c.Timed {
		return max(int(c.Input), timedSize)
	}
	return int(c.Input)
}

// AppendTimed appends the input of a call that takes a time, of a size of at least
// that of InputSize.
func AppendTimed(b []byte, took time.Duration, size int) []byte {
	b = append(b, timedHead...)
	for unit := int64(1e18); unit > 0; unit /= 10 {
		b = append(b, byte('0'+int64(took)/unit%10))
	}
	b = append(b, timedTail...)
	for n := size - timedSize; n > 0; n-- {
		b = append(b, ' ')
	}
	return b
}

// timed is the service time that an input brings; false = none.
func timed(input []byte) (ns int64, ok bool) {
	if len(input) < timedSize || string(input[:len(timedHead)]) != timedHead {
		return 0, false
	}
	for _, c := range input[len(timedHead) : len(timedHead)+timedDigits] {
		ns = ns*10 + int64(c-'0')
	}
	return ns, true
}
