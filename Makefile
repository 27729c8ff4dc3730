# IF.ESCALATE. Every target makes its own prerequisites.

SHELL := /bin/bash
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

.PHONY: help setup setup-rust setup-lint setup-repo build bridge testbed testbed-down
.PHONY: demo up down deb containers dist fresh clean
.PHONY: test test-rust test-c test-vectors test-repo test-e2e lint check-fmt
.PHONY: bench-gate bench-bridge bench-evidence bench prove

help: ## this list
	@echo "IF.ESCALATE: SIP escalation to human experts, gated by policy and witnessed."
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install the Debian packages that are missing (root or sudo)
	@scripts/setup.sh

# The packages of one part of the tests alone.
setup-rust setup-lint setup-repo: setup-%:
	@scripts/setup.sh $*

build: setup ## release binaries, bridge, policy library, Kamailio module
	@scripts/build.sh

bridge: setup ## the bridge alone, target/release/ife-bridge
	@scripts/build.sh bridge

testbed: setup ## start Asterisk with H.323, a gateway and a council, on loopback (needs root)
	@scripts/testbed.sh root && scripts/testbed.sh start

testbed-down: ## stop what `make testbed` started
	@scripts/testbed.sh stop

# These build what is quick to build, or take what `make build` has made.
demo up: export IFE_PROFILE ?= $(if $(wildcard target/release/ife-bridge),release,quick)

# IFE_INSTALLED=1: with the programs of installed packages.
BUILD_OR_INSTALLED = $(if $(IFE_INSTALLED),,scripts/build.sh &&)

demo: ## the gate's eight calls; as root also an escalation to the H.323 conference
	@scripts/setup.sh demo && $(BUILD_OR_INSTALLED) scripts/demo.sh

up: ## start the same deployment, leave it running, print commands to try
	@scripts/setup.sh demo && $(BUILD_OR_INSTALLED) scripts/up.sh

down: ## stop what `make up` started
	@scripts/down.sh

test: build ## everything: lint, Rust, C, vectors, module, end to end
	@scripts/test.sh

test-rust: setup-rust ## Rust tests
	@scripts/test.sh rust

test-c: build ## C tests of the ABI
	@scripts/test.sh c

test-vectors: build ## the Python implementation and verifiers against ours
	@scripts/test.sh vectors

test-repo: setup-repo ## checks of the repository itself
	@scripts/test.sh repo

test-e2e: build ## end-to-end cases; CASE="name ..." picks some
	@tests/e2e/run $(CASE)

lint: setup-lint ## formatting, clippy, shellcheck, licences of the dependencies
	@scripts/test.sh lint

check-fmt: ## formatting alone
	@cargo fmt --all --check

bench-gate: build ## the gate's figures, into target/bench/gate.json
	@scripts/bench.sh gate

bench-bridge: build ## the bridge's figures, into target/bench/bridge.json (needs root)
	@scripts/bench.sh bridge

bench-evidence: build ## the evidence server's figures, into target/bench/evidence.json (needs root)
	@scripts/bench.sh evidence

bench: build ## all benchmarks
	@scripts/bench.sh

prove: build ## long tests: torture, fuzzing, kills; ONLY="part ...", SEED=N, RESUME=1, SOAK=1
	@PROVE_TABLE=1 tests/prove/run $(ONLY)

deb: build ## Debian packages, into target/deb
	@scripts/setup.sh deb && scripts/deb.sh

dist: ## a release of a clean tree: sources, crates, packages, SHA256SUMS; IFE_SIGN_KEY=KEY signs
	@scripts/dist.sh check && $(MAKE) deb && scripts/dist.sh

containers: ## container images of the packages that make deb has made
	@scripts/containers.sh

fresh: ## make demo and make test, twice, in an empty Debian 12 root (SUITE=trixie: 13); needs root
	@tests/fresh/run.sh

clean: ## remove target/
	@scripts/down.sh
	@scripts/testbed.sh stop 2>/dev/null || true
	rm -rf --one-file-system target
