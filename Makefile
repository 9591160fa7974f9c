# One command runs the main job (make run), one runs the tests (make test).

VERSION ?= 0.1.0
COMMIT  := $(shell git rev-parse --short HEAD 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)
# Without it the request pages of grpc, which the trace exporter comes with, call methods
# by name, and the linker then keeps every exported method: 9 MB more.
SLIM := grpcnotrace
# A number of inputs, not a time: at the end of a time Go before 1.27 can report
# its own deadline as a failure (go.dev/issue/75804).
FUZZTIME ?= 10000x

HOTPATH := results-invoke results-pool results-raw results-enqueue results-nethttp
.PHONY: build build-full size run test slow-test vet vuln race cores plain replicas pages coverage fuzz scenarios cross mutants killtest bench bench-check results-hotpath $(HOTPATH) results-before results-growth results-fidelity jetstream results-durable results-cluster soak soak-cluster kube-assets kube-test clean

build:
	go build -tags '$(SLIM)' -ldflags '$(LDFLAGS)' -o bin/simplane ./cmd/simplane

# With the Kubernetes provider, whose client is a third of the program.
build-full:
	go build -tags '$(SLIM),kubernetes' -ldflags '$(LDFLAGS)' -o bin/simplane-full ./cmd/simplane

# A container image from scratch, without fetching anything. TAGS=kubernetes for the
# one with the Kubernetes provider, DOCKER=podman for another engine.
IMAGE ?= simplane:$(VERSION)
TAGS ?=
.PHONY: image
image:
	CGO_ENABLED=0 go build -trimpath -tags '$(SLIM),$(TAGS)' -ldflags '$(LDFLAGS)' -o bin/simplane-static ./cmd/simplane
	docs/deploy/image.sh bin/simplane-static $(IMAGE)

# What a release weighs, in bytes: a megabyte more than it weighs now is room
# for code, and not for a library that nobody noticed, or for one that calls methods by name.
SIZE := 43000000
size: build
	@size=$$(wc -c <bin/simplane); echo "bin/simplane has $$size bytes, $(SIZE) at most"; [ $$size -le $(SIZE) ] || { \
	  echo "that is too much; who calls methods by name, which keeps all methods of all types:"; \
	  go build -tags '$(SLIM)' -ldflags=-dumpdep -o bin/simplane-dumpdep ./cmd/simplane 2>&1 | \
	    awk '/ <ReflectMethod> ->/ && !seen[$$1]++ { print "  " $$1 } END { if (!length(seen)) print "  nobody" }'; exit 1; }

run: build
	./bin/simplane serve --data-dir simplane-data

# Everything CI runs, on any machine, however busy: each stage runs although an
# earlier one failed, and those that failed are named at the end.
STAGES := vet size vuln race cores plain replicas pages coverage fuzz scenarios cross
test:
	@MAKE='$(MAKE)' .ci/stages $(STAGES)

# What asks for figures: a machine with nothing else to do. These tests have the
# build tag slow and are named TestSlow….
slow-test:
	go test -tags slow -p 1 -count=1 -timeout 30m -run '^TestSlow' ./...

vet:
	go vet ./...
	go vet -tags slow ./...
	go vet -tags interleave ./core/... ./sim/interleave
	go vet -tags kubernetes ./cmd/simplane
	go tool staticcheck -checks all ./...
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then echo "run gofmt -w on: $$unformatted"; exit 1; fi
	@git ls-files -z '*.go' '*.md' '*.yaml' Makefile .ci | xargs -0 go tool misspell -error -i addres

# Pages in a browser, commands, programs that make figures, runs in real time, the
# one that kills a server twenty times, and the simulator, which is one goroutine, are
# looked at in plain: to them the race detector adds nothing but time. Core has a stage
# of its own. -short leaves out long tests that ask one thing after another; plain runs
# those, too.
PLAIN_ONLY := /core$$|/bench/(live|bubble)$$|/sim$$|/sim/(replay|swarm|sweep|whatif)$$|/cmd/simplane$$|/server/internal/ui$$|/server/harness/(abuse|clustertest|coldstart|containers|conventions|e2e|killtest|overload)$$|/server/provider/container$$
# The packages that take longest come first, so that the others run beside them.
LONG := ./server ./server/provider/process
race:
	go test -race -short -p 3 -timeout 30m $(LONG) $$(go list ./... | grep -vE '$(PLAIN_ONLY)|^simplane/server(/provider/process)?$$')

# Some orders of events need one processor, some need more than there are. -short
# leaves out long tests that the number makes no difference to. Here and below the stage vet
# has looked at the same files: -vet=off does not have go test look again.
cores:
	go test -vet=off -race -short -timeout 20m -cpu 1,2,8 ./core
	go test -vet=off -tags interleave -timeout 20m ./core/concurrent ./sim/interleave
	go test -vet=off -tags interleave -timeout 20m -run Linearizable ./core

# The race detector changes the times, and what is built with it is not what
# ships. Most of these tests wait for other processes: five packages at a time keep two
# processors busy. A browser gives up what it loads while networks of containers come
# and go, and replicas that are stopped in order refuse nobody only while none of them waits
# for a processor or the disk until its lease is over: both have a turn of their own.
plain:
	go test -vet=off -p 5 -timeout 20m $(LONG) ./server/harness/containers ./core ./core/cluster ./bench/live ./bench/bubble $$(go list ./server/... | grep -vE '/internal/ui$$|/harness/clustertest$$|/server(/provider/process|/harness/containers)?$$') ./sim ./sim/replay ./sim/swarm ./sim/sweep ./sim/whatif ./cmd/...

replicas:
	go test -vet=off -timeout 20m ./server/harness/clustertest

pages:
	go test -vet=off -timeout 20m ./server/internal/ui

# How much of core the seeds of the swarm reach by themselves, in percent of its
# statements: of one process, of several nodes, and replays of recordings. Below this
# something that core does has left the swarm's sight.
COVERAGE := 92
coverage:
	@mkdir -p bin
	go test -vet=off -count=1 -run '^TestSwarm' -coverpkg=./core -coverprofile=bin/swarm.cover ./sim/swarm
	@go tool cover -func=bin/swarm.cover | awk '/^total:/ { printf "the swarm reaches %s of core, at least $(COVERAGE)%% is asked for\n", $$3; exit $$3+0 < $(COVERAGE) }'

# core is a library for machines of 32 bits too. Its tests run where this
# machine can run programs for 386 (Linux on amd64 usually can).
cross:
	GOARCH=arm64 go vet ./core
	GOARCH=386 go vet ./core
	@GOARCH=386 go test -c -o bin/core-386.test ./core && cd core && \
	if ../bin/core-386.test -test.run '^$$' >/dev/null 2>&1; then ../bin/core-386.test -test.timeout 20m; \
	else echo "this machine runs no programs for 386: core's tests were compiled only"; fi

# Two packages at once: linking keeps one processor busy.
fuzz:
	@grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n 1 dirname | sort -u | FUZZTIME=$(FUZZTIME) xargs -P 2 -L 1 .ci/fuzz

scenarios: build
	./bin/simplane sim verify scenarios/*.yaml

# Known vulnerabilities in what the binary calls. The database is on the
# network: without it there is a note, not a failure.
vuln:
	@out=$$(go tool govulncheck ./... 2>&1); code=$$?; echo "$$out"; \
	case "$$out" in *"fetching vulnerabilities"*) echo "vulnerability database not reachable: nothing was checked"; exit 0;; esac; exit $$code

# Callers of core at once, each lock and atomic of core a point of a seeded scheduler:
# some minutes, another FROM for other seeds.
SCHEDULES ?= 2000000
FROM ?= 1
.PHONY: interleave
interleave:
	go test -tags interleave -timeout 0 -count=1 -v -run '^TestInterleavings$$' ./sim/interleave -args -from $(FROM) -seeds $(SCHEDULES)

mutants:
	go run ./sim/harness/mutants

# Minutes of mixed load with faults; asserts that every execution ends once.
SOAK ?= 10m
soak:
	go run ./server/harness/soak --duration $(SOAK)

# A real serve with a data directory, killed so many times at random moments.
LIVES ?= 200
killtest:
	go run ./server/harness/killtest --lives $(LIVES)

# Three replicas with the engine embedded, killed, stopped, paused and, for root, cut off
# and with a full disk.
FAULTS ?= kill,stop,pause$(shell [ $$(id -u) = 0 ] && echo ,cut,oneway,full)
ROUNDS ?= 10
SHAPE ?= mixed
soak-cluster:
	go run ./server/harness/clustertest --faults $(FAULTS) --rounds $(ROUNDS) --shape $(SHAPE) --pace 200ms

# The Kubernetes provider against a real API server. The programs come from
# KUBEBUILDER_ASSETS, as setup-envtest sets it; without it they are built once,
# which takes a quarter of an hour and some gigabytes of build cache.
KUBE_MODULE := server/harness/apiserver
KUBE_BUILT := $(CURDIR)/bin/kube
KUBEBUILDER_ASSETS ?= $(KUBE_BUILT)
kube-test: $(KUBEBUILDER_ASSETS)/kube-apiserver
	KUBEBUILDER_ASSETS=$(KUBEBUILDER_ASSETS) go test -race -timeout 30m -run '^TestReal' -v ./server/provider/kubernetes

# docs/deploy by the libraries of Helm, Compose and Prometheus, which are several times
# as large as simplane: a module of their own, that CI does not fetch.
.PHONY: packages-test
packages-test:
	cd server/harness/packages && go test ./...

kube-assets: $(KUBE_BUILT)/kube-apiserver
$(KUBE_BUILT)/kube-apiserver: $(KUBE_MODULE)/go.mod
	cd $(KUBE_MODULE) && go build -o $(KUBE_BUILT)/etcd go.etcd.io/etcd/server/v3
	cd $(KUBE_MODULE) && v=$$(go list -m -f '{{.Version}}' k8s.io/kubernetes) && \
	  go build -ldflags "-s -w -X k8s.io/component-base/version.gitVersion=$$v" -o $(KUBE_BUILT)/ \
	    k8s.io/kubernetes/cmd/kube-controller-manager k8s.io/kubernetes/cmd/kube-apiserver

# Is this tree slower than BASE? Interleaved runs, Mann-Whitney U. For people:
# a busy machine makes it a coin toss, so CI does not run it.
BASE ?= HEAD
bench-check: build
	./bin/simplane bench check --base $(BASE)
	./bin/simplane bench check --base $(BASE) --package ./core

# The hot path's comparisons in results/, half an hour on an otherwise idle
# machine. Each is measured although an earlier one missed what it should reach.
# BEFORE names an earlier simplane binary, bin/simplane-before for one; with it
# this tree is also compared with that.
CONNECTIONS ?= 2,16,64,256
COMPARE := ./bin/simplane bench compare --rounds 12 --round 1s --connections $(CONNECTIONS)

results-hotpath: build
	@$(MAKE) --no-print-directory -k $(HOTPATH) $(if $(BEFORE),results-before)

TAILS := --expect 'p99@16,64,256<=1.2' --expect 'p99.9@16,64,256<=1.3'
results-invoke:
	$(COMPARE) --a simplane-invoke --b fasthttp-echo --expect 'throughput>=0.92' $(TAILS) --out results/invoke-vs-fasthttp-echo
results-pool:
	$(COMPARE) --a simplane-pool --b fasthttp-proxy --expect 'throughput>=0.9' $(TAILS) --out results/pool-vs-fasthttp-proxy
results-raw:
	$(COMPARE) --a simplane-raw --b fasthttp-proxy --expect 'throughput>=0.85' $(TAILS) --out results/raw-vs-fasthttp-proxy
results-enqueue:
	$(COMPARE) --a simplane-enqueue --b fasthttp-echo --expect 'throughput>=0.85' --out results/enqueue-vs-fasthttp-echo
results-nethttp:
	$(COMPARE) --a simplane-invoke --b nethttp-echo --out results/invoke-vs-nethttp-echo
results-before:
	$(COMPARE) --a simplane-invoke --b simplane-invoke --b-binary $(BEFORE) --out results/invoke-vs-before
	$(COMPARE) --a simplane-pool --b simplane-pool --b-binary $(BEFORE) --out results/pool-vs-before

# How cost grows, 20 minutes and 10 GB.
results-growth: build
	./bin/simplane bench growth --rounds 10 --round 300ms --warmup 100ms --out results/growth

# How far simulations are from a real server: 40 runs of FIDELITY seconds each.
FIDELITY ?= 25s
results-fidelity: build
	go run ./bench/harness/fidelity --binary bin/simplane --duration $(FIDELITY) --out results/fidelity

# What load testers say of a server with known stalls, some minutes on an otherwise
# idle machine: simplane's own, vegeta (as a library, in a module of its own), and wrk
# if it is installed.
.PHONY: vegeta results-loadtesters
vegeta:
	cd bench/harness/loadtesters/vegeta && go build -o $(CURDIR)/bin/vegeta .
results-loadtesters: build vegeta
	go run ./bench/harness/loadtesters

# Executions that the simulator replays in a second of processor time, and the memory
# that takes, ten minutes; then a day of 40,000 functions, generated, imported and run.
# With BEFORE the same scenarios are run by an earlier simplane binary, too, in turns.
.PHONY: results-simspeed
results-simspeed: build
	mkdir -p results/simspeed
	go run ./sim/harness/speed -runs 5 $(if $(BEFORE),-before $(BEFORE)) -html results/simspeed/report.html
	go run ./sim/harness/azureday -binary bin/simplane

# What a data directory costs, a quarter of an hour and 3 GB. JetStream is a module
# of its own, so that the product does not grow by what it is compared with. With
# BEFORE the same is measured of an earlier simplane binary.
JETSTREAM := bin/jetstream
jetstream:
	go build -o $(JETSTREAM) ./server/harness/jetstream
results-durable: jetstream
	go run ./server/harness/durable --jetstream $(JETSTREAM) $(if $(BEFORE),--before $(BEFORE)) --space 1000000 --space-report results/durable-space/report.html

# What three replicas on one machine carry, and how long functions are not served when
# one leaves. A quarter of an hour on an idle machine.
results-cluster:
	go build -o bin/publish ./server/harness/publish
	go run ./server/harness/clusterbench --publish bin/publish --out results/cluster.md

bench:
	go test -run '^$$' -bench . -benchmem ./core

clean:
	rm -rf bin out
