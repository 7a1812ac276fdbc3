# `make demo` shows a failover of a real Redis pair, `make test` passes the tests. Both install what
# they need: Debian's packages below, and the pinned Rust toolchain's own crates.
.DELETE_ON_ERROR:
.PHONY: demo test bench bench-ties check coverage deny fmt fuzz inner-demo inner-test interop mutants setup release sim test-long

PACKAGES := etcd-client etcd-server frr gcc git iproute2 iputils-ping keepalived libc6-dev make mount netbase nftables openssl \
            procps redis-server tcpdump tshark util-linux
CARGO    ?= cargo
# The faults of the lab that are about a Redis that was restarted.
RESTARTS := restart-older-file restart-last-machine restart-source-of-resync power-both new-machine-filtered
# For `make fuzz`: how long for each target, and which.
FUZZ_SECONDS ?= 600
TARGET       ?= $(basename $(notdir $(wildcard fuzz/fuzz_targets/*.rs)))
FUZZ_FLAGS   := -max_len=8192 -timeout=10 -rss_limit_mb=1024 -print_final_stats=1
SUDO     := $(if $(filter 0,$(shell id -u)),,sudo)

# With nothing in the PATH but what PACKAGES bring: what one machine happens to have hides no missing package.
demo: setup
test: setup
demo test:
	.ci/path '$(PACKAGES)' $(MAKE) --no-print-directory inner-$@

inner-demo: release
	target/release/keepair-lab demo

inner-test: check
	$(CARGO) build --workspace --locked
	$(CARGO) build --release --locked -p keepair -p keepair-lab -p keepair-sim
	$(CARGO) test --workspace --locked --no-fail-fast
	target/release/keepair-sim --seeds 0..20000
	mutants/run --check
	target/release/keepair-lab interop
	target/release/keepair-lab example
	target/release/keepair-lab test

# Other people's daemons beside keepair, the users' example, and the same random events for keepalived and
# for keepair, which takes minutes and is therefore not part of `make test`.
interop: setup release
	target/release/keepair-lab interop
	target/release/keepair-lab example
	target/release/keepair-lab differential

# Medians of five runs of every fault, as the README's table shows them.
bench: setup release
	target/release/keepair-lab bench --runs 5

# A crash under 50,000 writes a second, also under keepalived and scripts; and the faults that a
# tie-breaker is for, with none and with each. Half an hour; docs/safety.md shows what came of it.
bench-ties: setup release
	target/release/keepair-lab crash-under-load --runs 10
	target/release/keepair-lab bench --ties --runs 5

check: setup
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings

# Licences, sources and bans of every dependency. Not part of `make test`: building the tool takes
# longer than all the tests.
deny:
	$(CARGO) deny --version >/dev/null 2>&1 || $(CARGO) install --locked cargo-deny
	$(CARGO) deny --locked check bans licenses sources

fmt:
	$(CARGO) fmt --all

# The seeds of `make test`, and as many as FRESH that nobody has run before.
FRESH ?= 5000
sim: release
	target/release/keepair-sim --seeds 0..20000
	target/release/keepair-sim --fresh $(FRESH)

# What CI has no time for: seeds that nobody has run before, every planted mistake, the restarts once
# more on real machines. An hour and a half on two cores.
test-long: FRESH := 100000
test-long: sim
	target/release/keepair-lab test $(foreach fault,$(RESTARTS),--fault $(fault))
	target/release/keepair-lab test $(foreach fault,$(RESTARTS),--fault $(fault)) --tie-breaker witness
	mutants/run

# Plants every mistake of mutants/ and lets the simulator look for it; prints a table.
mutants: setup
	mutants/run

# Which lines of the core the unit tests and the simulator run; installs LLVM's tools.
coverage: setup
	bench/coverage.sh

# Lets every corpus grow, then keeps of it the smallest files that reach all the code it reached.
# Not part of `make test`, which replays the corpora on the pinned toolchain: this needs a nightly.
# No sanitizer: there is no unsafe code to look at, and without one it is five times as fast.
fuzz: PACKAGES += g++
fuzz: setup
	rustup run nightly rustc --version || rustup toolchain install nightly --profile minimal
	$(CARGO) fuzz --version || $(CARGO) install --locked cargo-fuzz
	cd fuzz && for target in $(TARGET); do \
	  mkdir -p grown/$$target regressions/$$target || exit; \
	  $(CARGO) +nightly fuzz run -s none $$target grown/$$target corpus/$$target seeds/$$target \
	    regressions/$$target -- $(FUZZ_FLAGS) -max_total_time=$(FUZZ_SECONDS) || exit; \
	  cp -r grown/$$target/. corpus/$$target || exit; \
	  $(CARGO) +nightly fuzz cmin -s none $$target -- -use_counters=0 || exit; \
	done

release:
	$(CARGO) build --release --locked -p keepair -p keepair-lab -p keepair-sim

# Installs what is missing, and nothing else. A server that a package would start is not wanted.
setup:
	@missing=; for package in $(PACKAGES); do \
	  dpkg -s $$package >/dev/null 2>&1 || missing="$$missing $$package"; done; \
	if [ -n "$$missing" ]; then \
	  echo "installing$$missing"; \
	  $(SUDO) apt-get update -qq && \
	  $(SUDO) env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
	    apt-get install -y -qq --no-install-recommends $$missing; fi
