# One command runs the main job (make run), one runs the tests (make test).

VERSION ?= 0.1.0
COMMIT  := $(shell git rev-parse --short HEAD 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)
FUZZTIME ?= 5s

.PHONY: build run test vet vuln race fuzz scenarios mutants bench bench-check soak kube-assets kube-test clean

build:
	go build -ldflags '$(LDFLAGS)' -o bin/simplane ./cmd/simplane

run: build
	./bin/simplane serve

# Everything CI runs: vet, race tests (contract tests included), a short fuzz
# of every target, and all scenarios replayed against their golden digests.
test: vet vuln race fuzz scenarios

vet:
	go vet ./...
	go tool staticcheck ./...
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then echo "run gofmt -w on: $$unformatted"; exit 1; fi

race:
	go test -race -timeout 20m ./...
	go test -timeout 10m ./server/...

fuzz:
	@for pkg in $$(go list ./...); do \
	  for target in $$(go test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
	    echo "fuzz $$pkg $$target"; \
	    go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$pkg || exit 1; \
	  done; \
	done

scenarios: build
	./bin/simplane sim verify scenarios/*.yaml

# Known vulnerabilities in what the binary calls. The database is on the
# network: without it there is a note, not a failure.
vuln:
	@out=$$(go tool govulncheck ./... 2>&1); code=$$?; echo "$$out"; \
	case "$$out" in *"fetching vulnerabilities"*) echo "vulnerability database not reachable: nothing was checked"; exit 0;; esac; exit $$code

mutants:
	go run ./sim/mutants

# Minutes of mixed load with faults; asserts that every execution ends once.
SOAK ?= 10m
soak:
	go run ./server/harness/soak --duration $(SOAK)

# The Kubernetes provider against a real API server. The programs come from
# KUBEBUILDER_ASSETS, as setup-envtest sets it; without it they are built once,
# which takes a quarter of an hour and some gigabytes of build cache.
KUBE_MODULE := server/harness/apiserver
KUBE_BUILT := $(CURDIR)/bin/kube
KUBEBUILDER_ASSETS ?= $(KUBE_BUILT)
kube-test: $(KUBEBUILDER_ASSETS)/kube-apiserver
	KUBEBUILDER_ASSETS=$(KUBEBUILDER_ASSETS) go test -race -timeout 30m -run '^TestReal' -v ./server/provider/kubernetes

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

bench:
	go test -run '^$$' -bench . -benchmem ./core

clean:
	rm -rf bin out
