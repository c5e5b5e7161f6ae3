# Every target does its own set-up: see scripts/setup.
.PHONY: demo test check bench fuzz build setup

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.8.0
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)

build:            ## the one static binary, bin/cratefence
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/cratefence ./cmd/cratefence

demo:             ## a small registry with good and bad crates, checked; prints the page to open
	@scripts/setup demo
	@$(MAKE) --no-print-directory build
	@bin/cratefence demo $(ARGS)

test:             ## every test, with a real cargo, git, PostgreSQL and Chromium
	@scripts/setup test
	go test ./...

check:            ## all that must hold before a change lands
	@scripts/setup test
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then echo "gofmt: $$unformatted"; exit 1; fi
	go vet ./...
	go run $(STATICCHECK) ./...
	CGO_ENABLED=1 go test -race ./...
	@scripts/vulncheck $(GOVULNCHECK)

bench:            ## figures for archives, hashing, runs, pages and the fence: docs/benchmarks.md
	@scripts/setup test
	go test -run '^$$' -bench . -benchmem ./...

fuzz:             ## each fuzz target for FUZZTIME (default 30s)
	@scripts/fuzz $(or $(FUZZTIME),30s)
