package main

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/valyala/fasthttp"

	"simplane/server/harness/node"
)

// texts is what payloads are cut from: random letters, so that nothing looks small
// or cheap because it was compressed.
var texts = func() []byte {
	const letters = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"
	rng, text := rand.New(rand.NewPCG(1, 2)), make([]byte, 1<<20)
	for i := range text {
		text[i] = letters[rng.IntN(len(letters))]
	}
	return text
}()

// payloads are of one worker: each makes a fact of some 512 bytes.
type payloads struct {
	rng  *rand.Rand
	body []byte
}

func payloadsOf(worker int) *payloads {
	return &payloads{rng: rand.New(rand.NewPCG(3, uint64(worker)))}
}

// next is valid until the next one.
func (p *payloads) next() []byte {
	at := p.rng.IntN(len(texts) - 450)
	p.body = append(p.body[:0], `{"input":"`...)
	p.body = append(p.body, texts[at:at+450]...)
	p.body = append(p.body, `"}`...)
	return p.body
}

// appenders is how many values of 512 bytes as many goroutines set and sync in a
// second, each alone.
func appenders(dir string, n int, d time.Duration) (rate float64, err error) {
	db, err := pebble.Open(dir, &pebble.Options{FormatMajorVersion: pebble.FormatTableFormatV6, MemTableSize: 16 << 20, Logger: silent{}})
	if err != nil {
		return 0, err
	}
	var done, key atomic.Uint64
	began := time.Now()
	var all sync.WaitGroup
	failed := make(chan error, n)
	for w := range n {
		all.Go(func() {
			k, value, bodies := make([]byte, 10), make([]byte, 512), payloadsOf(w)
			for time.Since(began) < d {
				binary.BigEndian.PutUint64(k[2:], key.Add(1))
				copy(value, bodies.next())
				if err := db.Set(k, value, pebble.Sync); err != nil {
					failed <- err
					return
				}
				done.Add(1)
			}
		})
	}
	all.Wait()
	rate = float64(done.Load()) / time.Since(began).Seconds()
	select {
	case err = <-failed:
	default:
	}
	return rate, errors.Join(err, db.Close())
}

// published is what the program of server/harness/jetstream measures.
type published struct {
	Rate float64 `json:"perSecond"`
	CPU  float64 `json:"cpuMicros"`
	P50  float64 `json:"p50Millis"`
	P99  float64 `json:"p99Millis"`
}

// jetStream runs that program.
func jetStream(program, dir string, publishers int, d time.Duration) (p published, err error) {
	cmd := exec.Command(program, "--dir", dir, "--publishers", strconv.Itoa(publishers), "--round", d.String())
	cmd.Stderr = os.Stderr
	line, err := cmd.Output()
	if err == nil {
		err = json.Unmarshal(line, &p)
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", program, err)
	}
	return p, errors.Join(err, os.RemoveAll(dir))
}

type silent struct{}

func (silent) Infof(string, ...any)           {}
func (silent) Errorf(string, ...any)          {}
func (silent) Fatalf(format string, a ...any) { panic(fmt.Sprintf(format, a...)) }

type figures struct {
	rate, cpu, p50, p99 float64 // a second; µs of the server's; ms
}

// boot starts a server whose enqueued work stays queued; dir "" keeps it in memory.
func boot(binary, dir string) (*node.Node, error) {
	args := []string{"--rate-max-per-second", "0", "--scheduler", "off", "--log-level", "warn", "--provider", "none", "--max-executions", "20000000", "--shutdown-grace", "0s"}
	if dir != "" {
		args = append(args, "--data-dir", dir)
	}
	return node.Start(node.Options{Binary: binary, Args: args})
}

// queues is how many functions share the work, as a queue is bounded.
const queues = 4

func register(n *node.Node) error {
	for i := range queues {
		status, body, err := post(n.API+"/v1/functions", fmt.Appendf(nil, `{"name":"f%d","image":"i","executionMode":"LOCAL","concurrency":1000,"queueSize":1000000}`, i))
		if err != nil || status != fasthttp.StatusCreated {
			return fmt.Errorf("register: %d %s %w", status, body, err)
		}
	}
	return nil
}

func post(url string, body []byte) (int, []byte, error) {
	req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(req)
	defer fasthttp.ReleaseResponse(resp)
	req.SetRequestURI(url)
	req.Header.SetMethod(fasthttp.MethodPost)
	req.SetBody(body)
	err := fasthttp.Do(req, resp)
	return resp.StatusCode(), append([]byte(nil), resp.Body()...), err
}

// enqueue measures a server of its own.
func enqueue(binary, dir string, connections int, d time.Duration) (figures, error) {
	n, err := boot(binary, dir)
	if err != nil {
		return figures{}, err
	}
	defer n.Kill()
	if err := register(n); err != nil {
		return figures{}, err
	}
	return fill(n, connections, d, 1<<40)
}

// fill enqueues for d, or until so many are accepted.
func fill(n *node.Node, connections int, d time.Duration, most int64) (figures, error) {
	client := &fasthttp.HostClient{Addr: strings.TrimPrefix(n.API, "http://"), MaxConns: connections}
	before := node.CPUTime(n.PID())
	began := time.Now()
	var count atomic.Int64
	var mu sync.Mutex
	var times []float64
	failed := make(chan error, connections)
	var all sync.WaitGroup
	for w := range connections {
		all.Go(func() {
			req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
			req.SetRequestURI(fmt.Sprintf("%s/v1/functions/f%d:enqueue", n.API, w%queues))
			req.Header.SetMethod(fasthttp.MethodPost)
			bodies := payloadsOf(w)
			var own []float64
			for time.Since(began) < d && count.Load() < most {
				req.SetBodyRaw(bodies.next())
				at := time.Now()
				if err := client.Do(req, resp); err != nil || resp.StatusCode() != fasthttp.StatusAccepted {
					failed <- fmt.Errorf("enqueue: %d %s %w", resp.StatusCode(), resp.Body(), err)
					return
				}
				own = append(own, float64(time.Since(at))/1e6)
				count.Add(1)
			}
			mu.Lock()
			times = append(times, own...)
			mu.Unlock()
		})
	}
	all.Wait()
	took := time.Since(began)
	select {
	case err := <-failed:
		return figures{}, err
	default:
	}
	slices.Sort(times)
	ops := float64(len(times))
	return figures{ops / took.Seconds(), float64((node.CPUTime(n.PID()) - before).Microseconds()) / ops, times[len(times)/2], times[len(times)*99/100]}, nil
}

// recovered is how long starts took, how much CPU that was, and the directory's
// size before the kill; of another binary too, if there is one.
type recovered struct {
	took, cpu, tookBefore, cpuBefore []float64 // s
	bytes                            int64
}

// recovery kills a server that has accepted so many facts and starts it again,
// from a copy of its directory each time.
func recovery(binary, before, dir string, facts, rounds int) (r recovered, err error) {
	n, err := boot(binary, dir)
	if err != nil {
		return r, err
	}
	if err = register(n); err == nil {
		_, err = fill(n, 256, time.Hour, int64(facts))
	}
	n.Kill()
	if err == nil {
		r.bytes, err = sizeOf(dir)
	}
	for range rounds {
		if err != nil {
			return r, err
		}
		if err = r.again(binary, dir, &r.took, &r.cpu); err == nil && before != "" {
			err = r.again(before, dir, &r.tookBefore, &r.cpuBefore)
		}
	}
	return r, err
}

// again starts a server in a copy of dir.
func (r *recovered) again(binary, dir string, took, cpu *[]float64) error {
	copied := dir + "-copy"
	defer os.RemoveAll(copied)
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		return err
	}
	began := time.Now()
	n, err := boot(binary, copied)
	if err != nil {
		return err
	}
	defer n.Kill()
	*took, *cpu = append(*took, time.Since(began).Seconds()), append(*cpu, node.CPUTime(n.PID()).Seconds())
	return nil
}
