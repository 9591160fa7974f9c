# One command runs the main job (make run), one runs the tests (make test).

VERSION ?= 0.1.0
COMMIT  := $(shell git rev-parse --short HEAD 2>/dev/null || echo unknown)
LDFLAGS := -X main.version=$(VERSION) -X main.commit=$(COMMIT)
FUZZTIME ?= 5s

.PHONY: build run test vet race fuzz scenarios mutants bench bench-check soak clean

build:
	go build -ldflags '$(LDFLAGS)' -o bin/simplane ./cmd/simplane

run: build
	./bin/simplane serve

# Everything CI runs: vet, race tests (contract tests included), a short fuzz
# of every target, and all scenarios replayed against their golden digests.
test: vet race fuzz scenarios

vet:
	go vet ./...
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then echo "run gofmt -w on: $$unformatted"; exit 1; fi

race:
	go test -race -timeout 20m ./...

fuzz:
	@for pkg in $$(go list ./...); do \
	  for target in $$(go test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
	    echo "fuzz $$pkg $$target"; \
	    go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$pkg || exit 1; \
	  done; \
	done

scenarios: build
	./bin/simplane sim verify scenarios/*.yaml

mutants:
	go run ./sim/mutants

bench:
	go test -run '^$$' -bench . -benchmem ./core

clean:
	rm -rf bin out
