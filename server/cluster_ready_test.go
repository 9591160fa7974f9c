package server

import (
	"net/http"
	"strings"
	"testing"

	"simplane/core"
)

// What an update asks of readiness: a node is not ready before its copy of what the
// cluster keeps is whole, nor while it leaves, and the calls that it has are answered.
func TestClusterReadiness(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 2)
	f := c.build(2)
	c.links[2].Behind(true)
	f.begin()
	f.eventually("it says that it is behind", func() bool {
		a := f.get("/actuator/health/readiness")
		return a.status == http.StatusServiceUnavailable && strings.Contains(string(a.body), "is behind")
	})
	f.get("/actuator/health/liveness").expect(200)
	c.links[2].Behind(false)
	f.awaitReady()
	f.get("/actuator/health/readiness").expect(200)
	c.settle()

	names := functions(c, 30)
	mine := ""
	for _, name := range names {
		if owner, _ := c.owner(name); owner == 2 {
			mine = name
		}
	}
	if mine == "" {
		t.Fatal("node 2 owns no function")
	}
	gate, running := make(chan struct{}), make(chan struct{})
	f.s.HandleLocal(mine, func(task core.Task) ([]byte, error) {
		close(running)
		<-gate
		return task.Input, nil
	})
	answers := make(chan *answer, 2)
	go func() { answers <- c.nodes[0].invoke(mine, "1") }() // passed on to node 2
	<-running
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.stop(2)
	}()
	f.eventually("it is out of service", func() bool { return f.get("/actuator/health/readiness").status == http.StatusServiceUnavailable })
	f.invoke(names[0], "1").expect(200) // who still asks it is answered
	c.nodes[0].get("/actuator/health/readiness").expect(200)
	close(gate)
	if a := (<-answers).expect(200); a.raw("output") != "1" {
		t.Errorf("%s", a.body)
	}
	<-ended
}
