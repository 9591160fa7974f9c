package main

import (
	"encoding/json"
	"fmt"
	"slices"
)

// seen is one look at an execution from outside.
type seen struct {
	ID     string          `json:"executionId"`
	Status string          `json:"status"`
	Output json.RawMessage `json:"output"`
	Error  *struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
	CleanedUp bool `json:"cleanedUp"`
}

func (s seen) terminal() bool {
	return s.Status == "success" || s.Status == "error" || s.Status == "timeout"
}

func (s seen) code() string {
	if s.Error == nil {
		return ""
	}
	return s.Error.Code
}

// outcome is what must never change once an execution has ended.
func (s seen) outcome() string { return s.Status + " " + s.code() + " " + string(s.Output) }

// Codes with which any execution may end, whatever it was asked to do.
var bySystem = []string{"QUEUE_WAIT", "STALE"}

// wrong says why an ended execution's outcome does not fit what was asked;
// "" when it does. A busy machine may time anything out.
func (f *function) wrong(j job, s seen, invoked bool) string {
	if slices.Contains(bySystem, s.code()) || s.Status == "timeout" && s.Error == nil {
		return ""
	}
	if f.name == "churn" && s.code() == "FUNCTION_DELETED" {
		return ""
	}
	fits := false
	switch j.Do {
	case doOK, doFlaky, doCallback:
		fits = s.Status == "success" && s.answers(f, j) || s.Status == "error" && f.killed
	case doFail, doDrop, doGarbage, doCrash:
		fits = s.Status == "error"
	case doSlow:
		// Only a timeout fits, and that was seen to above.
	}
	// A call whose pause before the retry would outlast its deadline ends with the
	// error that it has.
	if j.Do == doFlaky && invoked && s.Status == "error" && s.code() == "POOL_ERROR" {
		return ""
	}
	// A requeue into a full queue ends any failing job.
	if fits || s.Status == "error" && s.code() == "QUEUE_FULL" && j.Do == doFlaky {
		return ""
	}
	return fmt.Sprintf("%s, asked to %s, ended as %s %s %s", f.name, j.Do, s.Status, s.code(), s.Output)
}

// answers says that the output is this job's and no other's.
func (s seen) answers(f *function, j job) bool {
	var out job
	if json.Unmarshal(s.Output, &out) != nil || out.N != j.N {
		return s.CleanedUp
	}
	return f.spec["executionMode"] != "LOCAL" || out == j // LOCAL echoes its input
}
