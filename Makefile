# The two commands that matter: `make` builds bin/marketo-proxy, `make test` installs what the tests need and runs all of them.

VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
REVISION ?= $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
LDFLAGS   = -s -w -X main.version=$(VERSION) -X main.revision=$(REVISION)

.PHONY: build test deps lint unit e2e fuzz bench clean

build:
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/marketo-proxy ./cmd/proxy

test: deps lint unit e2e

# What the tests drive the proxy with: PHP's and Python's SOAP toolkits, and promtool.
deps:
	@./tools/deps.sh

lint:
	@unformatted=$$(gofmt -l .); test -z "$$unformatted" || { echo "gofmt these: $$unformatted"; exit 1; }
	go vet ./...
	go tool -modfile=tools/go.mod staticcheck ./...

unit:
	go test -race $$(go list ./... | grep -v /e2e)

# In a run of its own, so that its measurements have the machine to themselves.
e2e:
	go test -count=1 -timeout 12m ./e2e

# Every fuzz target for FUZZTIME each.
FUZZTIME ?= 30s
fuzz:
	@for pkg in $$(go list ./...); do \
	  for target in $$(go test -list '^Fuzz' $$pkg | grep ^Fuzz); do \
	    echo "$$pkg $$target"; go test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) $$pkg || exit 1; \
	  done; \
	done

bench:
	go test -run '^$$' -bench . -benchmem ./...

clean:
	rm -rf bin
