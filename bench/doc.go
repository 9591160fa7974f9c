// Package bench holds simplane's load tester and comparison harness.
//
//   - arrival: when requests are due (constant and Poisson schedules)
//   - latency: HDR recording, summaries and .hgrm export
//   - loadgen: open-loop and closed-loop HTTP load, rate search, findings
//   - epollload: the light client of comparisons, one thread on epoll
//   - child, baseline: servers started by the harness, and its yardsticks
//   - live: a scenario run for real, beside its simulation
//   - ratio, compare: A against B with a confidence interval
//   - corebench: the engine in process, without HTTP
//   - guard: Go benchmarks against an earlier commit
//   - report, machine: JSON and HTML results, and where they were measured
//   - nap: precise sleep
package bench
