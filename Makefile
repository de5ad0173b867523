# Nothing but Rust (rustup), a C compiler, git and make has to be there: `make test` fetches the rest.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
# Two cargo runs at once would only wait for each other's lock.
.NOTPARALLEL:
.DEFAULT_GOAL := help

# Absolute, because not every tool runs from here.
export override CARGO_TARGET_DIR := $(abspath $(or $(CARGO_TARGET_DIR),target))
TOOLS := $(CARGO_TARGET_DIR)/tools

.PHONY: help quick demo openapi test test-all test-setup lint test-rust test-browser test-clients test-more-clients \
  test-manifests test-policies test-monitoring test-image bench soak fuzz dist

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## run the gateway against a built-in simulator: no credentials, no configuration
	cargo run --release --locked -- demo

openapi: ## write the published API document from the code
	UPDATE_OPENAPI=1 cargo test --locked --lib openapi

quick: ## format, clippy and unit tests, for the daily loop
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo test --locked --workspace --lib

test: test-setup lint test-rust test-browser test-clients test-manifests test-monitoring test-image ## everything a change must pass

test-all: test test-more-clients test-policies soak fuzz ## the same and what takes about an hour more: half an hour of soak, a minute of fuzzing for each target

test-setup: ## install what the tests need (Debian packages need root)
	tests/setup.sh

lint: ## format, clippy, docs, shell scripts, Dockerfile, dependencies, API document
	@cargo fmt --version > /dev/null 2>&1 \
	  || { echo 'rustfmt is missing: rustup component add rustfmt' >&2; exit 1; }
	@cargo clippy --version > /dev/null 2>&1 \
	  || { echo 'clippy is missing: rustup component add clippy' >&2; exit 1; }
	@test -x $(TOOLS)/bin/cargo-deny -a -x $(TOOLS)/python/bin/hadolint -a -d tests/openapi/node_modules \
	  || { echo 'the linters are missing: make test-setup' >&2; exit 1; }
	cargo fmt --all --check
	cargo fmt --manifest-path fuzz/Cargo.toml --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo clippy --lib --features fuzzing --locked -- -D warnings
	# Whether its lock file is as it should be: `make fuzz` alone builds it.
	cargo tree --manifest-path fuzz/Cargo.toml --locked --depth 0 > /dev/null
	RUSTDOCFLAGS=-Dwarnings cargo doc --workspace --no-deps --locked
	$(TOOLS)/bin/cargo-deny --locked check bans licenses sources
	$(TOOLS)/python/bin/shellcheck --shell bash .ci/run $$(git ls-files '*.sh')
	$(TOOLS)/python/bin/hadolint Dockerfile
	npm --prefix tests/openapi run --silent lint -- $(addprefix $(CURDIR)/openapi/openapi.,json yaml)

test-rust: ## unit and integration tests, three quarters of a minute of soak among them
	cargo test --workspace --locked

test-browser: ## the pages in Chromium, and the guide's recipes in their languages
	# The build that the Rust tests have made already: another choice of features would build it again.
	cargo test --workspace --locked --no-run
	GATEWAY=$(CARGO_TARGET_DIR)/debug/sddc-gateway PYTHON=$(TOOLS)/python/bin/python npm --prefix tests/browser test

test-clients: ## typed clients by two generators, and the examples for consumers' tests, against `demo`
	cargo test --workspace --locked --no-run
	GATEWAY=$(CARGO_TARGET_DIR)/debug/sddc-gateway tests/clients/run.sh

test-more-clients: ## typed clients by four more generators, and thousands of requests drawn from the document
	tests/setup.sh clients
	cargo test --workspace --locked --no-run
	GATEWAY=$(CARGO_TARGET_DIR)/debug/sddc-gateway tests/clients/run.sh more document

test-manifests: ## what `deploy/` has, by the tools that read it
	cargo test --workspace --locked --no-run
	GATEWAY=$(CARGO_TARGET_DIR)/debug/sddc-gateway tests/manifests/run.sh

test-policies: ## the manifests for Kubernetes by a linter of policies
	tests/setup.sh policies
	tests/manifests/run.sh policies

test-monitoring: ## alerts and dashboard: a real Prometheus scrapes a gateway through an outage
	cargo test --workspace --locked --no-run
	GATEWAY=$(CARGO_TARGET_DIR)/debug/sddc-gateway tests/monitoring/run.sh

test-image: ## build the container image and run it (root; SKIP_IMAGE=1 leaves it out)
	tests/image/run.sh

bench: ## what an answer costs as the image is built, against bare hyper, nginx and an older build, and its inner loops alone (BENCH_SECONDS=1 a round)
	tests/setup.sh bench
	mkdir -p benches
	{ date --utc +%F; lscpu | grep -E 'Model name|^CPU\(s\)'; uname -sr; git rev-parse --short HEAD; \
	  cargo bench --profile dist --locked --bench serve; \
	  cargo bench --profile dist --locked --bench inner; } | tee benches/$$(date --utc +%F).txt

soak: export SOAK_SECONDS ?= 1800
soak: ## a long run in bad weather: right answers, no growth (SOAK_SECONDS=1800, SOAK_SEED to repeat)
	cargo test --release --locked --test soak -- --nocapture

fuzz: export FUZZ_SECONDS ?= 60
fuzz: ## each fuzz target for a while, by libFuzzer (FUZZ_SECONDS=60 each)
	tests/setup.sh fuzz
	fuzz/run.sh

dist: ## what a release consists of: archives, images, SBOM, checksums (in target/distrib; DIST_TARGETS, DIST_IMAGES=0)
	tests/setup.sh dist
	.ci/dist.sh
