// Command publish measures the engine of several control planes by itself: three
// processes, each with an embedded server, to which publishers append messages. Each
// process commits all that is waiting as one batch of one frame a partition, under its
// fences, and then the next: as a replica does, without anything else that a replica
// does. It prints one line of JSON for each number of publishers, which durable
// enqueues are compared with.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	harness "simplane/server/harness/node"
	"simplane/server/harness/rounds"
)

// nodes is how many processes there are.
const nodes = 3

func main() {
	publishers := flag.String("publishers", "1,16,256", "numbers of publishers to measure, each with one message under way; they are shared out over the processes")
	round := flag.Duration("round", 2*time.Second, "how long they publish")
	size := flag.Int("size", 512, "bytes of a message")
	dir := flag.String("dir", "", "a directory on the disk to measure; it must not exist, and is removed at the end")
	child := flag.String("child", "", "what a process is started with; not for people")
	flag.Parse()
	var err error
	switch counts, bad := rounds.Numbers(*publishers); {
	case *child != "":
		err = serve(*child)
	case bad != nil || len(counts) == 0 || *dir == "" || *round <= 0 || *size < 1 || flag.NArg() > 0:
		fmt.Fprintln(os.Stderr, "publish: --dir is required; --publishers, --round and --size must be above 0")
		os.Exit(2)
	default:
		err = measure(*dir, counts, *round, *size)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "publish:", err)
		os.Exit(1)
	}
}

// figures is what is printed.
type figures struct {
	Publishers int     `json:"publishers"`
	Rate       float64 `json:"perSecond"`
	CPU        float64 `json:"cpuMicros"` // a message, over all processes
	P50        float64 `json:"p50Millis"`
	P99        float64 `json:"p99Millis"`
	Batches    float64 `json:"batchesPerSecond"`
}

func measure(dir string, counts []int, round time.Duration, size int) (err error) {
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%s must not exist: %w", dir, err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	addrs, err := harness.FreeAddresses("127.0.0.1", nodes)
	if err != nil {
		return err
	}
	var all []*node
	for i := range nodes {
		n, err := startNode(start{Node: i, Peers: addrs, Dir: filepath.Join(dir, strconv.Itoa(i))})
		if err != nil {
			return err
		}
		defer n.stop()
		all = append(all, n)
	}
	for _, n := range all {
		if err := n.out.Decode(&struct{}{}); err != nil {
			return fmt.Errorf("a process did not come up: %w", err)
		}
	}
	for _, count := range counts {
		f, err := oneRound(all, count, round, size)
		if err != nil {
			return err
		}
		if err := json.NewEncoder(os.Stdout).Encode(f); err != nil {
			return err
		}
	}
	return nil
}

func oneRound(all []*node, count int, round time.Duration, size int) (f figures, err error) {
	began := time.Now()
	for i, n := range all {
		share := count / nodes
		if i < count%nodes {
			share++
		}
		if err := n.in.Encode(order{Publishers: share, Round: round, Size: size}); err != nil {
			return f, err
		}
	}
	var sum result
	for _, n := range all {
		var r result
		if err := n.out.Decode(&r); err != nil {
			return f, fmt.Errorf("a process gave no figures: %w", err)
		}
		if r.Error != "" {
			return f, errors.New(r.Error)
		}
		sum.Millis = append(sum.Millis, r.Millis...)
		sum.CPU += r.CPU
		sum.Batches += r.Batches
	}
	took := time.Since(began).Seconds()
	if len(sum.Millis) == 0 {
		return f, errors.New("nothing was stored")
	}
	slices.Sort(sum.Millis)
	stored := len(sum.Millis)
	return figures{
		count, float64(stored) / took, float64(sum.CPU.Microseconds()) / float64(stored),
		sum.Millis[stored/2], sum.Millis[stored*99/100], float64(sum.Batches) / took,
	}, nil
}

// node is a process as the first one sees it.
type node struct {
	cmd *exec.Cmd
	in  *json.Encoder
	out *json.Decoder
}

func startNode(s start) (*node, error) {
	raw, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(os.Args[0], "--child", string(raw))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	return &node{cmd, json.NewEncoder(in), json.NewDecoder(out)}, cmd.Start()
}

func (n *node) stop() {
	_ = n.cmd.Process.Kill()
	_ = n.cmd.Wait()
}
