package core

import (
	"fmt"
	"testing"
)

// Several Cores with one budget hold together what one of them may, and one that is
// dropped leaves its share to the others.
func TestBudgetIsShared(t *testing.T) {
	var budget Budget
	var cores []*Core
	for range 3 {
		b := newBed(t, func(c *Config) { c.MaxExecutions, c.Budget = 10, &budget })
		b.register("f")
		cores = append(cores, b.Core)
	}
	accepted := make([]int, len(cores))
	for i := range 30 {
		if _, err := cores[i%3].Submit(&Request{Function: "f", Input: []byte("1234")}); err == nil {
			accepted[i%3]++
		} else if err != ErrStoreFull {
			t.Fatal(err)
		}
	}
	if got := fmt.Sprint(accepted); got != "[4 3 3]" || budget.Executions() != 10 || budget.PayloadBytes() < 40 {
		t.Errorf("accepted %s, %d executions and %d bytes in all", got, budget.Executions(), budget.PayloadBytes())
	}
	cores[0].LeaveBudget()
	cores[0].LeaveBudget()
	if budget.Executions() != 6 {
		t.Errorf("%d executions after one with 4 has left", budget.Executions())
	}
	for range 4 {
		if _, err := cores[1].Submit(&Request{Function: "f", Input: []byte("1")}); err != nil {
			t.Error(err)
		}
	}
	if _, err := cores[2].Submit(&Request{Function: "f", Input: []byte("1")}); err != ErrStoreFull {
		t.Errorf("the eleventh: %v", err)
	}
}
