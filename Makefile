# Copyright The csi-operator Authors.
# SPDX-License-Identifier: Apache-2.0

# Every target that is no file has a sentence behind "##"; `make help` lists them.

SHELL := /usr/bin/env bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VERSION ?= $(shell sed -n 's/^var Version = "\(.*\)"/\1/p' internal/version/version.go)

# Tools are built once, into the user's cache folder, keyed by their version.
CONTROLLER_TOOLS_VERSION := v0.23.0
GOLANGCI_LINT_VERSION := v2.15.0
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/csi-operator
CONTROLLER_GEN := $(CACHE)/tools/controller-gen-$(CONTROLLER_TOOLS_VERSION)/controller-gen
GOLANGCI_LINT := $(CACHE)/tools/golangci-lint-$(GOLANGCI_LINT_VERSION)/golangci-lint

# Everything but the race detector, which needs cgo, is compiled in one way, so that
# tools, tests, images and the cluster's parts share what they import.
export CGO_ENABLED := 0
export GOFLAGS := $(strip $(filter-out -trimpath,$(GOFLAGS)) -trimpath)
RACE := CGO_ENABLED=1 go

BIN := $(CURDIR)/bin
LOCALCLUSTER := $(BIN)/localcluster

# What `make demo` and `make e2e` run against: local (two nodes on this machine)
# or existing (the current kubeconfig).
CLUSTER ?= local

.PHONY: help
help: ## List all targets.
	@awk 'BEGIN {FS = ":.*##"} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z0-9-]+:.*##/ {printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##@ See it work

.PHONY: demo
demo: localcluster ## Start a two-node cluster and show a volume that follows its pod (root).
	@CLUSTER=$(CLUSTER) VERSION=$(VERSION) hack/demo.sh

.PHONY: demo-down
demo-down: localcluster ## Remove the local cluster and everything it left on this machine (root).
	@$(LOCALCLUSTER) down
	@$(LOCALCLUSTER) verify-clean

##@ Test

# SLOW are tests of waiting more than of code, which gain nothing by the race detector.
SLOW := ^TestOneFailure|^TestEveryFieldChanges

.PHONY: test
test: deps assets ## Run all tests but the end-to-end run, with the race detector (root).
	KUBEBUILDER_ASSETS="$$($(LOCALCLUSTER) assets)" $(RACE) test -race -timeout 10m -skip '$(SLOW)|^TestQuiet$$' ./api/... ./cmd/... ./controllers/... ./internal/... ./test/bench/... ./test/driver/...
	@echo "every request counted, on an API server of its own:"
	KUBEBUILDER_ASSETS="$$($(LOCALCLUSTER) assets)" $(RACE) test -race -count=1 -timeout 5m -run '^TestQuiet$$' ./controllers
	$(RACE) -C hack test -race -timeout 5m ./...
	@echo "alerts and dashboard, which lie outside the module of their test, so that its cache does not notice them:"
	$(RACE) -C hack test -race -count=1 -timeout 5m ./internal/monitoring
	@echo "every field of the API, edited; one failure at calls of the operator, in turn (make soak: at every one, in every way):"
	KUBEBUILDER_ASSETS="$$($(LOCALCLUSTER) assets)" go test -count=1 -timeout 15m -v -run '$(SLOW)' ./controllers | grep -v -E '^(===| *--- PASS)'
	@echo "the operator, killed at random moments:"
	KUBEBUILDER_ASSETS="$$($(LOCALCLUSTER) assets)" go test -count=1 -timeout 10m -v ./test/crash | grep -v '^ *==='
	@$(MAKE) --no-print-directory equivalence
	@echo "csi-sanity, with the specs that are skipped and why:"
	go test -count=1 -timeout 5m -v -run TestSanity ./internal/pooldriver | grep -v '^time='

.PHONY: equivalence
equivalence: ## Compare five public drivers, rendered from one object each, with the facts of their own manifests.
	go test -count=1 -timeout 5m -v ./test/equivalence | grep -v -E '^ *(===|--- PASS)'

.PHONY: e2e
e2e: cluster-operator ## Run the end-to-end tests on a real two-node cluster (root).
	@CLUSTER=$(CLUSTER) hack/e2e.sh

# SITUATION_TESTS are the end-to-end tests that record what they see.
SITUATION_TESTS := TestCustomDriver|TestPoolMissingOnOneNode|TestRebootedNode|TestStoppedNode|TestRecreatedNode|TestRollingUpdate

.PHONY: situations
situations: cluster-operator assets ## Record the situations that the tests of the controllers replay and docs/troubleshooting.md shows (root).
	@SITUATIONS=$(CURDIR)/controllers/testdata/situations TESTS='$(SITUATION_TESTS)' CLUSTER=$(CLUSTER) hack/e2e.sh
	KUBEBUILDER_ASSETS="$$($(LOCALCLUSTER) assets)" go test ./controllers -run '^(TestSituations|TestTroubleshooting)$$' -update

.PHONY: soak
soak: assets ## Kill the operator 200 times and let every call fail in every way (CRASH_KILLS=N changes the number).
	KUBEBUILDER_ASSETS="$$($(LOCALCLUSTER) assets)" CRASH_KILLS=$(or $(CRASH_KILLS),200) go test -count=1 -timeout 60m -v ./test/crash
	KUBEBUILDER_ASSETS="$$($(LOCALCLUSTER) assets)" FAULTS=all go test -count=1 -timeout 60m -v -run '^TestOneFailure' ./controllers

.PHONY: bench
bench: assets build ## Measure the operator against the targets of docs/benchmarks.md; BENCH="-repetitions 20 -o json" and the like.
	go test ./test/bench/...
	go build -o $(BIN)/ ./test/bench
	KUBEBUILDER_ASSETS="$$($(LOCALCLUSTER) assets)" $(BIN)/bench -operator $(BIN)/csi-operator $(BENCH)

.PHONY: verify
verify: verify-generated verify-tidy lint rules ## Fail when anything generated is stale, or linters or tests of alerts complain.

.PHONY: verify-generated
verify-generated: $(CONTROLLER_GEN) ## Fail when a generated file is stale.
	hack/verify-generated.sh

.PHONY: verify-tidy
verify-tidy: ## Fail when a module is not tidy.
	@for module in . hack hack/build/*/; do echo "go -C $$module mod tidy -diff"; go -C "$$module" mod tidy -diff; done

.PHONY: lint
lint: $(GOLANGCI_LINT) ## Run the linters on the Go code and the shell scripts.
	$(GOLANGCI_LINT) run ./...
	cd hack && $(GOLANGCI_LINT) run --config ../.golangci.yml ./...
	@unformatted=$$("$$(go env GOROOT)/bin/gofmt" -l hack/build); [ -z "$$unformatted" ] || { echo "run gofmt -w $$unformatted"; exit 1; }
	@for script in hack/*.sh .ci/run; do bash -n "$$script"; done

.PHONY: rules
rules: ## Check the alerts of config/prometheus and run their unit tests by promtool.
	@go -C hack run ./rules

.PHONY: mutate
mutate: ## Change the pure packages in 2000 places, one at a time, and fail if tests miss one that is not justified.
	go -C hack run ./mutate $(PACKAGES)

##@ Build

.PHONY: build
build: ## Build the operator and the bundled driver into bin/.
	go build -buildvcs=false -ldflags "-s -w -X github.com/csi-operator/csi-operator/internal/version.Version=$(VERSION)" -o $(BIN)/ ./cmd/...

.PHONY: images
images: localcluster ## Build the container images without Docker and load them into the local cluster (root).
	$(LOCALCLUSTER) image build --version v$(VERSION)

.PHONY: generate
generate: $(CONTROLLER_GEN) ## Generate deep copies.
	$(CONTROLLER_GEN) object:headerFile=hack/boilerplate.go.txt paths=./api/...

.PHONY: manifests
manifests: $(CONTROLLER_GEN) ## Generate the CRD and the operator's ClusterRole.
	$(CONTROLLER_GEN) crd paths=./api/... output:crd:artifacts:config=config/crd/bases
	go -C hack run ./crd $(CURDIR)/config/crd/bases/*.yaml
	$(CONTROLLER_GEN) rbac:roleName=csi-operator paths=./controllers/... output:rbac:artifacts:config=config/rbac

.PHONY: golden
golden: ## Rewrite the golden files; read the diff before you commit it.
	go test ./internal/desired -update

##@ Cluster

.PHONY: cluster-up
cluster-up: localcluster ## Start the local two-node cluster (root).
	$(LOCALCLUSTER) up

.PHONY: cluster-down
cluster-down: demo-down ## The same as demo-down.

.PHONY: cluster-status
cluster-status: localcluster ## Show the local cluster's processes and nodes.
	$(LOCALCLUSTER) status

.PHONY: cluster-operator
cluster-operator: localcluster ## Start the cluster where needed, load the images, install the operator (root).
	@CLUSTER=$(CLUSTER) VERSION=$(VERSION) hack/install.sh

.PHONY: assets
assets: localcluster ## Build etcd, kube-apiserver and kubectl for the tests, once.
	$(LOCALCLUSTER) build --only kubernetes

.PHONY: deps
deps: localcluster ## Install the Debian packages that tests and cluster need (root).
	$(LOCALCLUSTER) deps

.PHONY: localcluster
localcluster: ## Build the tool that runs the local cluster into bin/.
	@go -C hack build -buildvcs=false -o $(LOCALCLUSTER) ./localcluster

$(CONTROLLER_GEN):
	@echo "building controller-gen $(CONTROLLER_TOOLS_VERSION)"
	@GOBIN=$(dir $@) go install sigs.k8s.io/controller-tools/cmd/controller-gen@$(CONTROLLER_TOOLS_VERSION)

$(GOLANGCI_LINT):
	@echo "building golangci-lint $(GOLANGCI_LINT_VERSION), a few minutes the first time"
	@GOBIN=$(dir $@) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION)
