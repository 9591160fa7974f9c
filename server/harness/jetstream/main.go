// Command jetstream publishes to a NATS JetStream stream in its own process, one
// replica, each message synced before its acknowledgement, and prints one line of
// JSON: what server/harness/durable compares durable enqueues with.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

func main() {
	dir := flag.String("dir", "", "directory of the stream; it must not exist")
	publishers := flag.Int("publishers", 256, "publishers at once, each with a connection inside the process and one message under way")
	round := flag.Duration("round", 2*time.Second, "how long they publish")
	size := flag.Int("size", 512, "bytes of a message")
	flag.Parse()
	if *dir == "" || *publishers < 1 || *round <= 0 || *size < 1 || flag.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "jetstream: --dir is required; --publishers, --round and --size must be above 0")
		os.Exit(2)
	}
	r, err := measure(*dir, *publishers, *round, *size)
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(r)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "jetstream:", err)
		os.Exit(1)
	}
}

// figures is what is printed. CPU is that of the whole process.
type figures struct {
	Rate float64 `json:"perSecond"`
	CPU  float64 `json:"cpuMicros"` // a message
	P50  float64 `json:"p50Millis"`
	P99  float64 `json:"p99Millis"`
}

func measure(dir string, publishers int, round time.Duration, size int) (f figures, err error) {
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		return f, fmt.Errorf("%s must not exist: %w", dir, err)
	}
	s, err := server.NewServer(&server.Options{
		ServerName: "one", DontListen: true, NoLog: true, NoSigs: true,
		JetStream: true, StoreDir: dir, SyncAlways: true,
	})
	if err != nil {
		return f, err
	}
	s.Start()
	defer func() { s.Shutdown(); s.WaitForShutdown() }()
	if !s.ReadyForConnections(10 * time.Second) {
		return f, errors.New("the server was not ready within 10 s")
	}
	first, err := connect(s)
	if err != nil {
		return f, err
	}
	defer first.nc.Close()
	if _, err := first.js.AddStream(&nats.StreamConfig{Name: "facts", Subjects: []string{"facts.>"}, Storage: nats.FileStorage, Replicas: 1}); err != nil {
		return f, err
	}
	senders := make([]sender, publishers)
	for i := range senders {
		if senders[i], err = connect(s); err != nil {
			return f, err
		}
		defer senders[i].nc.Close()
	}
	message := []byte(strings.Repeat("x", size))
	cpu, began := cpuTime(), time.Now()
	var all sync.WaitGroup
	var mu sync.Mutex
	var times []float64
	for i := range senders {
		all.Go(func() {
			own, failed := senders[i].publish(fmt.Sprintf("facts.%d", i), message, began.Add(round))
			mu.Lock()
			defer mu.Unlock()
			times, err = append(times, own...), errors.Join(err, failed)
		})
	}
	all.Wait()
	took, used := time.Since(began), cpuTime()-cpu
	if err != nil || len(times) == 0 {
		return f, errors.Join(err, errors.New("not every message was stored"))
	}
	slices.Sort(times)
	n := float64(len(times))
	return figures{n / took.Seconds(), float64(used.Microseconds()) / n, times[len(times)/2], times[len(times)*99/100]}, nil
}

type sender struct {
	nc *nats.Conn
	js nats.JetStreamContext
}

func connect(s *server.Server) (c sender, err error) {
	if c.nc, err = nats.Connect("", nats.InProcessServer(s)); err != nil {
		return c, err
	}
	c.js, err = c.nc.JetStream(nats.MaxWait(time.Minute))
	return c, err
}

// publish sends one message after another until a time, and returns how many ms
// each took until it was acknowledged.
func (c sender) publish(subject string, message []byte, until time.Time) (times []float64, err error) {
	for {
		at := time.Now()
		if at.After(until) {
			return times, nil
		}
		if _, err := c.js.Publish(subject, message); err != nil {
			return times, err
		}
		times = append(times, float64(time.Since(at))/1e6)
	}
}

// cpuTime is what this process has taken, in user and system mode.
func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
