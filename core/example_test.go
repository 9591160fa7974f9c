package core_test

import (
	"encoding/binary"
	"fmt"
	"time"

	"simplane/core"
)

// clock is a clock that stands still: enough for an example in which nothing
// has to wait.
type clock struct{}

func (clock) Now() core.Instant {
	return core.Instant{Wall: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).UnixNano()}
}

func (clock) AfterFunc(time.Duration, func()) core.Timer { return timer{} }

type timer struct{}

func (timer) Stop() bool               { return true }
func (timer) Reset(time.Duration) bool { return true }

// counter hands out ids in order.
type counter struct{ n uint64 }

func (c *counter) NewID() (id core.ID) {
	c.n++
	binary.BigEndian.PutUint64(id[:], c.n)
	return id
}

// shout answers at once with the input, twice.
type shout struct{}

func (shout) Dispatch(t core.Task) {
	t.Complete(core.Outcome{Status: core.Success, Output: append(t.Input, t.Input...)})
}

func register(c *core.Core, name string) {
	spec, err := core.ResolveSpec(core.SpecInput{Name: &name})
	if err == nil {
		_, err = c.Register(spec)
	}
	if err != nil {
		panic(err)
	}
}

func ExampleNew() {
	c, err := core.New(core.DefaultConfig(), clock{}, &counter{}, shout{}, nil)
	if err != nil {
		panic(err)
	}
	register(c, "shout")
	fmt.Println(len(c.Functions()), "function")

	_, err = core.New(core.Config{TTL: -time.Second}, clock{}, &counter{}, shout{}, nil)
	fmt.Println(err)
	// Output:
	// 1 function
	// ttl: must be greater than 0
}

func ExampleCore_Submit() {
	c, err := core.New(core.Config{}, clock{}, &counter{}, shout{}, nil)
	if err != nil {
		panic(err)
	}
	register(c, "shout")

	res, err := c.Submit(&core.Request{Function: "shout", Input: []byte("12")})
	if err != nil {
		panic(err)
	}
	s, _ := c.Execution(res.ID)
	fmt.Println(s.Status, string(s.Output))

	_, err = c.Submit(&core.Request{Function: "nobody", Input: []byte("12")})
	fmt.Println(err)
	// Output:
	// success 1212
	// NOT_FOUND: function not found
}

// caller is told how its execution ended.
type caller struct{ ended core.Snapshot }

func (c *caller) Wake(s core.Snapshot) { c.ended = s }

// A sync caller that would only wait can make the first attempt itself.
func ExampleRequest_callerRuns() {
	c, err := core.New(core.Config{}, clock{}, &counter{}, shout{}, nil)
	if err != nil {
		panic(err)
	}
	register(c, "add")

	w := &caller{}
	res, err := c.Submit(&core.Request{Function: "add", Input: []byte("[1,2]"), Sync: true, Waiter: w, CallerRuns: true})
	if err != nil {
		panic(err)
	}
	if res.Run.Attempt > 0 {
		res.Run.Complete(core.Outcome{Status: core.Success, Output: []byte("3")})
	}
	fmt.Println(w.ended.Status, string(w.ended.Output))
	// Output: success 3
}
