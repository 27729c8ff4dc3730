# IF.ESCALATE. Every target can be run first: it makes what it needs.

SHELL := /bin/bash
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

.PHONY: help setup build bridge testbed testbed-down demo up down test test-rust test-c test-vectors test-repo test-e2e lint check-fmt bench-gate bench-bridge bench-evidence bench prove fresh clean

help: ## this list
	@echo "IF.ESCALATE: SIP escalation to human experts, gated by policy and witnessed."
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what is needed on Debian 12 (root or sudo); quick when it is there
	@scripts/setup.sh

build: setup ## release binaries, bridge, policy library, Kamailio module
	@scripts/build.sh

bridge: setup ## the bridge alone, target/release/ife-bridge
	@scripts/build.sh bridge

testbed: setup ## real Asterisk with H.323: a gateway and a council on loopback addresses (needs root)
	@scripts/testbed.sh root && scripts/testbed.sh start

testbed-down: ## stop what `make testbed` started
	@scripts/testbed.sh stop

demo: build ## the gate's eight calls; as root then the full way to the conference: H.323 on the wire, the story, the verified log
	@scripts/demo.sh

up: build ## start the same deployment, leave it running, and say what to try
	@scripts/up.sh

down: ## stop what `make up` started
	@scripts/down.sh

test: build ## everything: lint, Rust, C, vectors, module, end to end
	@scripts/test.sh

test-rust: setup ## Rust tests
	@scripts/test.sh rust

test-c: build ## C tests of the ABI
	@scripts/test.sh c

test-vectors: build ## the Python implementation and verifiers against ours
	@scripts/test.sh vectors

test-repo: setup ## checks of the repository itself
	@scripts/test.sh repo

test-e2e: build ## end-to-end cases; CASE="name ..." picks some
	@tests/e2e/run $(CASE)

lint: setup ## formatting, clippy, shellcheck
	@scripts/test.sh lint

check-fmt: setup ## formatting alone
	@cargo fmt --all --check

bench-gate: build ## the gate's figures, into target/bench/gate.json
	@scripts/bench.sh gate

bench-bridge: build ## the bridge's figures, into target/bench/bridge.json (needs root)
	@scripts/bench.sh bridge

bench-evidence: build ## the evidence server's figures, into target/bench/evidence.json (needs root)
	@scripts/bench.sh evidence

bench: build ## every benchmark there is
	@scripts/bench.sh

prove: build ## what takes long: torture, mutants, fuzzing, races, kill rounds; ONLY="part ...", SEED=N, RESUME=1, SOAK=1 (needs root)
	@PROVE_TABLE=1 tests/prove/run $(ONLY)

fresh: ## make demo and make test, twice, in an empty Debian 12 root (needs root)
	@tests/fresh/run.sh

clean: ## remove target/
	@scripts/down.sh
	@scripts/testbed.sh stop 2>/dev/null || true
	rm -rf --one-file-system target
