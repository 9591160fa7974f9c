// Package attemptcount counts what a function was called for, so that a test can tell which
// attempts of an execution were made, and whether two ran at the same time.
package attemptcount

import (
	"fmt"
	"slices"
	"sync"
)

// Counter counts calls. The zero value is ready.
type Counter struct {
	mu              sync.Mutex
	calls           map[string]map[int]int // by execution and attempt
	now             map[string]int         // under way, by execution
	twice, overlaps []string
}

// Begin notes that an attempt of an execution has come.
func (c *Counter) Begin(id string, attempt int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.calls == nil {
		c.calls, c.now = map[string]map[int]int{}, map[string]int{}
	}
	if c.calls[id] == nil {
		c.calls[id] = map[int]int{}
	}
	if c.calls[id][attempt]++; c.calls[id][attempt] > 1 {
		c.twice = append(c.twice, fmt.Sprintf("%s: attempt %d was made twice", id, attempt))
	}
	if c.now[id]++; c.now[id] > 1 {
		c.overlaps = append(c.overlaps, fmt.Sprintf("%s: attempt %d overlaps another", id, attempt))
	}
}

// End notes that it is over.
func (c *Counter) End(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.now[id]--; c.now[id] == 0 {
		delete(c.now, id)
	}
}

// Made is how many different attempts of an execution were made.
func (c *Counter) Made(id string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.calls[id])
}

// Twice are the attempts that were made more than once.
func (c *Counter) Twice() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.twice)
}

// Overlaps are the attempts that began while another one of the same execution ran.
func (c *Counter) Overlaps() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.overlaps)
}
