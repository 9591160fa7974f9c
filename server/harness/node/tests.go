package node

import (
	"context"
	"fmt"
	"os"
)

// RunTests builds simplane with build into a directory of its own, stores its
// path in binary, runs the tests and returns the exit code. It is for TestMain.
func RunTests(tests interface{ Run() int }, build func(ctx context.Context, dir string) (string, error), binary *string) int {
	dir, err := os.MkdirTemp("", "simplane-tests-")
	if err == nil {
		defer os.RemoveAll(dir)
		*binary, err = build(context.Background(), dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return tests.Run()
}
