// Command vegeta attacks a URL with the library of the load tester of that name at a
// constant rate, and prints one line of JSON: what bench/harness/loadtesters compares
// simplane's own load tester with. It is a module of its own: nothing of simplane
// needs it.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

func main() {
	url := flag.String("url", "", "target")
	rate := flag.Int("rate", 1000, "requests a second")
	duration := flag.Duration("duration", 20*time.Second, "of the attack")
	connections := flag.Int("connections", 256, "most connections and workers")
	flag.Parse()
	attacker := vegeta.NewAttacker(vegeta.Connections(*connections), vegeta.Workers(16), vegeta.MaxWorkers(uint64(*connections)), vegeta.Timeout(10*time.Second))
	var m vegeta.Metrics
	for r := range attacker.Attack(vegeta.NewStaticTargeter(vegeta.Target{Method: "GET", URL: *url}), vegeta.Rate{Freq: *rate, Per: time.Second}, *duration, "") {
		m.Add(r)
	}
	m.Close()
	ms := func(d time.Duration) float64 { return d.Seconds() * 1e3 }
	failed := 0
	for code, n := range m.StatusCodes {
		if len(code) == 0 || code[0] != '2' {
			failed += n
		}
	}
	err := json.NewEncoder(os.Stdout).Encode(map[string]any{
		"requests": m.Requests, "errors": failed,
		"p50": ms(m.Latencies.P50), "p95": ms(m.Latencies.P95), "p99": ms(m.Latencies.P99), "max": ms(m.Latencies.Max),
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
