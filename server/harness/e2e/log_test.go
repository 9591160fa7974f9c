package e2e

import (
	"fmt"
	"os"
	"testing"

	"simplane/server/harness/node"
)

// works makes a node log a lot and do its job.
func works(f *fixture) {
	f.t.Helper()
	for i := range 20 { // each registration is logged
		f.register(fmt.Sprintf(`{"name":"f%d","image":"none","executionMode":"LOCAL"}`, i))
		f.succeeds(fmt.Sprintf("f%d", i), `1`)
	}
	f.alive()
}

func TestServesWithAFullDiskForItsLog(t *testing.T) {
	t.Parallel()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer full.Close()
	works(start(t, node.Options{Stderr: full}))
}

func TestServesWhenNobodyReadsItsLogAnyMore(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	f := start(t, node.Options{Stderr: w})
	w.Close()
	r.Close() // from here on a write is EPIPE, and SIGPIPE
	works(f)
}
