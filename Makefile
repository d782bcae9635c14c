# make help lists the targets.
SHELL := /bin/bash
GO ?= go
DOCKER ?= docker
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
PORTIONS ?= 1 40
# one request or step after the other, thousands of them: the race detector finds nothing there that it doesn't in other tests, and takes five times as long
ALONE := TestAnotherSitesThingsAreUnknown|TestKeysDoWhatTheirKindSays|TestSiteMoves|TestLedgerAgainstOracle|TestTiersAgainstALife|TestBacktestIsTheEngine|TestBacktestOpening|TestOrderOfRefunds|TestAnySplitOfRestoringHasTheSameEnd
LDFLAGS := -s -w -X main.version=$(VERSION)
GOLANGCI_LINT := $(shell command -v golangci-lint || echo $$($(GO) env GOPATH)/bin/golangci-lint)

.DEFAULT_GOAL := help

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

run: build ## the platform on an embedded database, with a demo site
	bin/talkable serve --demo

test: tools ## everything: unit, database, race, kill and story tests
	$(GO) vet ./...
	$(GO) test -race -p $$(($$(getconf _NPROCESSORS_ONLN) + 1)) -timeout 15m -skip '^($(ALONE))$$' ./...
	$(GO) test -timeout 10m -run '^(TestHostileInputOfEveryKind|$(ALONE))$$' ./cmd/talkable ./internal/loyalty # the race detector's build sends a part of the input

build: ## bin/talkable
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/talkable ./cmd/talkable

image: build ## the container image talkable:VERSION, of nothing but the program
	@rm -rf bin/image && mkdir -p bin/image/data bin/image/tmp && cp bin/talkable bin/image/
	$(DOCKER) build -t talkable:$(VERSION) -t talkable:latest .

bench: ## ratios against PostgreSQL's own pgbench, in one run
	$(GO) run ./cmd/bench

shake: ## five minutes of faults under load, and what is left compared with what was promised
	$(GO) run ./cmd/shaker run --duration 5m

fuzz: ## fuzz every decoder of foreign bytes for a minute each
	./.ci/fuzz 60s

properties: ## ten thousand random lives of members against the naive ledger and tiers, a quarter of an hour
	$(GO) test -c -o bin/loyalty.test ./internal/loyalty
	cd internal/loyalty && seq $(PORTIONS) | xargs -P 2 -I{} ../../.ci/properties ../../bin/loyalty.test {}

lint: ## golangci-lint, as .golangci.yml says
	@test -x "$(GOLANGCI_LINT)" || $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
	$(GOLANGCI_LINT) run ./...

vuln: ## known vulnerabilities (needs the network)
	$(GO) run golang.org/x/vuln/cmd/govulncheck@latest ./...

golden: ## write golden files of new events
	$(GO) test ./internal -run Frozen -update

generate: ## docs/events.md, metrics.md, criteria.md, openapi.json and programme.schema.json from the code
	$(GO) run ./internal/catalogue
	$(GO) run ./cmd/talkable openapi > docs/openapi.json
	$(GO) run ./cmd/talkable programme schema > docs/programme.schema.json

check: generate lint test ## all that a change must pass: nothing generated differs, lint, tests
	@git diff --exit-code -- docs || { echo 'docs differ from the code: commit what make generate wrote'; exit 1; }

tools: ## what the tests need on a fresh Debian machine: PostgreSQL, Chromium, an S3-compatible server
	@.ci/tools

clean: ## what was built, and the data of make run
	rm -rf bin data

.PHONY: help run test build image bench shake fuzz properties lint vuln golden generate check tools clean
