# The two commands that matter: `make` builds bin/marketo-proxy, `make test` installs what the tests need and runs all of them.

VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
REVISION ?= $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
LDFLAGS   = -s -w -X main.version=$(VERSION) -X main.revision=$(REVISION)

# Modules of their own, so that what only their tests need stays out of the product's.
MODULES   = browser deploy

.PHONY: build test deps lint unit e2e soak fuzz bench microbench vuln image clean

build:
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/marketo-proxy ./cmd/proxy

test: deps lint unit e2e

# What the tests need: SOAP and REST clients in seven languages, a browser, Prometheus, buildah, and file systems to break.
deps:
	@./tools/deps.sh

lint:
	@unformatted=$$(gofmt -l .); test -z "$$unformatted" || { echo "gofmt these: $$unformatted"; exit 1; }
	go vet ./...
	go tool -modfile=tools/go.mod staticcheck ./...
	for m in $(MODULES); do (cd $$m && go vet ./... && go tool -modfile=../tools/go.mod staticcheck ./...) || exit 1; done

unit:
	go test -race $$(go list ./... | grep -vE '/(e2e|faults|crash|soak)$$')

# Of the built binary, one after the other, so that each has the machine to itself.
e2e:
	go test -p 1 -count=1 -timeout 12m ./e2e ./faults ./crash ./soak
	for m in $(MODULES); do (cd $$m && go test -p 1 -count=1 -timeout 12m ./...) || exit 1; done

FOR ?= 5m
soak:
	go run ./soak -for $(FOR)

# Every fuzz target for FUZZTIME each.
FUZZTIME ?= 30s
fuzz:
	@for pkg in $$(go list ./...); do \
	  for target in $$(go test -list '^Fuzz' $$pkg | grep ^Fuzz); do \
	    echo "$$pkg $$target"; go test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) $$pkg || exit 1; \
	  done; \
	done

# The cost of a call, beside httputil.ReverseProxy and nginx; BENCH=-quick takes a minute.
bench:
	@command -v nginx >/dev/null || test -x /usr/sbin/nginx || apt-get install -y -qq --no-install-recommends nginx-light
	go run ./bench $(BENCH)

microbench:
	go test -run '^$$' -bench . -benchmem ./...

# Known vulnerabilities in what the program calls; it asks vuln.go.dev, or VULNDB, a file:// copy of it.
VULNDB ?= https://vuln.go.dev
vuln:
	go tool -modfile=tools/go.mod govulncheck -db $(VULNDB) ./cmd/...

image:
	docker build --build-arg VERSION=$(VERSION) --build-arg REVISION=$(REVISION) -t marketo-proxy:$(VERSION) .

clean:
	rm -rf bin
