package server

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"simplane/core"
)

// processGate is where the processes of a function wait, and tell of themselves.
type processGate struct{ dir string }

func newProcessGate(t *testing.T) *processGate { return &processGate{t.TempDir()} }

// command is a STDIO function that answers with its process, once the gate is open.
func (g *processGate) command() string {
	return fmt.Sprintf(`D='%s'; echo up $$ >&2; touch $D/up.$$; while read -r line; do touch $D/busy.$$; while [ ! -e $D/open ]; do sleep 0.02; done; echo "{\"output\":\"$$\"}"; done`, g.dir)
}

func (g *processGate) open(t *testing.T) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(g.dir, "open"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

// pids are the processes that have told of themselves.
func (g *processGate) pids(kind string) (list []int) {
	names, _ := filepath.Glob(filepath.Join(g.dir, kind+".*"))
	for _, name := range names {
		if pid, err := strconv.Atoi(strings.TrimPrefix(filepath.Ext(name), ".")); err == nil {
			list = append(list, pid)
		}
	}
	return list
}

// alive are those that have started and not ended.
func (g *processGate) alive() (list []int) {
	for _, pid := range g.pids("up") {
		if syscall.Kill(pid, 0) == nil {
			list = append(list, pid)
		}
	}
	return list
}

func (g *processGate) spec(scaling string) string {
	return fmt.Sprintf(`{"image":"i","runtimeMode":"STDIO","runtimeCommand":%q,"timeoutMs":500000,"maxRetries":2,"retryBackoff":{"initialMs":1,"jitter":0},"concurrency":4,"scalingConfig":%s}`, g.command(), scaling)
}

const oneInstance = `{"strategy":"NONE","minReplicas":1,"maxReplicas":1}`

// A function's instances move with its partition: the next owner starts its own, what
// runs at the one before ends there first, and then its instances end.
func TestClusterProcessesMoveWithTheirPartition(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 2, quickScaling)
	g := newProcessGate(t)
	c.nodes[0].put("fn", g.spec(oneInstance)).expect(201)
	i, other := c.owner("fn")
	f := c.nodes[other]
	// Another one scales to zero.
	z, zero := newProcessGate(t), c.named(i, "zero")
	c.nodes[0].put(zero, z.spec(`{"strategy":"INTERNAL","minReplicas":0,"maxReplicas":2,"concurrencyControl":{"mode":"STATIC_PER_POD","targetInFlightPerPod":4}}`)).expect(201)
	z.open(t)
	f.invoke(zero, `1`).expect(200)
	id := f.enqueue("fn", `1`).expect(202).str("executionId")
	f.eventually("the attempt runs", func() bool { return len(g.pids("busy")) == 1 })
	old := g.pids("busy")[0]
	over := c.leaves(i, other, "fn")
	f.eventually("the next owner has started its own", func() bool { return len(g.alive()) == 2 })
	time.Sleep(100 * ms)
	if got := f.get("/v1/executions/" + id).expect(200).str("status"); got != "running" {
		t.Errorf("it is %s", got)
	}
	g.open(t)
	if a := f.ended(id); a.str("status") != "success" || a.num("attempt") != 1 || a.str("output") != fmt.Sprint(old) {
		t.Errorf("%s; it ran in %d", a.body, old)
	}
	<-over
	f.eventually("the old instance is gone", func() bool { return len(g.alive()) == 1 && g.alive()[0] != old })
	if a := f.invoke("fn", `1`).expect(200); a.str("output") != fmt.Sprint(g.alive()[0]) {
		t.Errorf("%s, while %v runs", a.body, g.alive())
	}
	if logs := f.get("/v1/functions/fn/logs").expect(200); !strings.Contains(string(logs.body), fmt.Sprint("up ", g.alive()[0])) {
		t.Errorf("logs: %s", logs.body)
	}
	f.eventually("what nobody calls has no instance", func() bool { return len(z.alive()) == 0 })
	if a := f.invoke(zero, `1`).expect(200); a.str("status") != "success" {
		t.Errorf("from zero: %s", a.body)
	}
	f.eventually("and none again", func() bool { return len(z.alive()) == 0 })
	c.stop(other)
	if left := g.alive(); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// A partition may come back to a node that still waits for attempts of before: they and
// the function's instances are not harmed when those are over.
func TestClusterPartitionComesBackWhileItsAttemptsRun(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 2, quickScaling, func(cfg *Config) { cfg.ShutdownGrace = hangGuard })
	gates := map[string]*processGate{}
	ids := map[string]string{}
	first := map[string]int{}
	for n := range 12 {
		name := fmt.Sprint("fn", n)
		gates[name] = newProcessGate(t)
		c.nodes[0].put(name, gates[name].spec(oneInstance)).expect(201)
		first[name], _ = c.owner(name)
		ids[name] = c.nodes[0].enqueue(name, `1`).expect(202).str("executionId")
	}
	f := c.nodes[0]
	for name, g := range gates {
		f.eventually(name+" runs", func() bool { return len(g.pids("busy")) == 1 })
	}
	// It counts the attempts that its partitions had begun elsewhere as its own, and waits
	// for them as it leaves.
	third := c.build(2, quickScaling, func(cfg *Config) { cfg.ShutdownGrace = 10 * time.Second })
	third.begin()
	third.awaitReady()
	f.eventually("partitions have moved to the new node", func() bool {
		for name := range gates {
			if third.s.member.at(core.PartitionOf(name)) != nil {
				return true
			}
		}
		return false
	})
	c.settle()
	moved := 0
	for name, g := range gates {
		if i, _ := c.owner(name); i != 2 {
			continue
		}
		moved++
		f.eventually(name+" has an instance at the new node", func() bool { return len(g.alive()) == 2 })
	}
	if moved == 0 {
		t.Fatal("nothing has moved")
	}
	c.stop(2)
	c.settle()
	for name := range gates {
		if i, _ := c.owner(name); i != first[name] {
			t.Errorf("%s was at %d and is at %d", name, first[name], i)
		}
	}
	for name, g := range gates {
		g.open(t)
		a := f.ended(ids[name])
		if a.str("status") != "success" || a.num("attempt") != 1 || a.str("output") != fmt.Sprint(g.pids("busy")[0]) {
			t.Errorf("%s: %s; it ran in %v", name, a.body, g.pids("busy"))
		}
	}
	f.eventually("nothing is left of before", func() bool {
		for _, n := range c.nodes[:2] {
			n.s.member.mu.Lock()
			parts := len(n.s.member.parts)
			n.s.member.mu.Unlock()
			if parts != len(n.s.member.open()) {
				return false
			}
		}
		return true
	})
	for name, g := range gates {
		a := f.invoke(name, `1`).expect(200)
		if a.str("status") != "success" || len(g.alive()) != 1 {
			t.Errorf("%s: %s; alive: %v", name, a.body, g.alive())
		}
	}
	for i := range 2 {
		c.stop(i)
	}
}

// A node that has lost its lease ends the instances that it has; the next owner begins
// the attempts again in its own.
func TestClusterProcessesOfANodeThatIsCutOff(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 3, shortLeases, quickScaling)
	g := newProcessGate(t)
	c.nodes[0].put("fn", g.spec(oneInstance)).expect(201)
	i, other := c.owner("fn")
	f := c.nodes[other]
	id := f.enqueue("fn", `1`).expect(202).str("executionId")
	f.eventually("the attempt runs", func() bool { return len(g.pids("busy")) == 1 })
	old := g.pids("busy")[0]
	c.links[i].Cut()
	f.eventually("it runs elsewhere", func() bool { return len(g.pids("busy")) == 2 })
	f.eventually("the old instance is gone", func() bool { return len(g.alive()) == 1 && g.alive()[0] != old })
	g.open(t)
	var a *answer
	f.eventually("it ends", func() bool {
		a = f.get("/v1/executions/" + id).expect(200)
		return a.str("status") != "running" && a.str("status") != "queued"
	})
	if a.str("status") != "success" || a.num("attempt") != 2 || a.str("output") != fmt.Sprint(g.alive()[0]) || !strings.Contains(string(a.body), core.CodeInterrupted) {
		t.Errorf("%s", a.body)
	}
	c.links[i].Heal()
	c.nodes[i].awaitServing()
	c.settle()
	for n := range c.nodes {
		c.stop(n)
	}
	if left := g.alive(); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
