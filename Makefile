# `make demo` and `make test` each work alone on a fresh Debian machine, as root.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# Debian packages by the command that shows they are there; tinc is C tincd.
TOOLS := ip:iproute2 ping:iputils-ping tcpdump:tcpdump nft:nftables tincd:tinc systemd-nspawn:systemd-container
TOOLS += killall:psmisc pgrep:procps openssl:openssl

# For the compiled half of the data plane, which is optional: nothing fails without.
BUILD := cc:gcc pkg-config:pkg-config
TOOLS += $(BUILD)
FAST := tincd_compat/_fast
# By a path and not by a finder, which is an eighth of each start of a daemon from here,
# and the conformance suite starts a thousand.
EDITABLE := --config-settings editable_mode=compat -e
# For a look at the manual pages, which is left out without.
TOOLS += mandoc:mandoc

# Mirrors fail now and then.
APT_GET := apt-get -o Acquire::Retries=3

# What measures, and other VPNs for context.
BENCH_PACKAGES := iperf3 strace wireguard-go wireguard-tools openvpn fastd

.PHONY: bench-core mutants test-sanitized check-core fuzz fuzz-sptps soak test-arm64 test-armhf test-s390x
.PHONY: help demo test lint unit simulation conformance probes bench bench-mesh startup install uninstall deb test-deb tools clean

help:
	@echo "make demo         a mesh of this daemon and C tincd, shown at work"
	@echo "make test         lint, types, unit and property tests, conformance"
	@echo "make lint         ruff and mypy alone"
	@echo "make unit         unit and property tests alone"
	@echo "make simulation   hundreds of control planes on a virtual network"
	@echo "make mutants      change promises and code, and see tests fail; ARGS='NAME ...' picks some"
	@echo "make conformance  black-box scenarios alone; ARGS='NAME ...' picks some"
	@echo "make probes       what attacks cost beside C tincd; ARGS='NAME ...' picks some"
	@echo "make test-sanitized, make check-core, make fuzz, make soak: the compiled half alone"
	@echo "make fuzz-sptps: damaged records for sessions of protocol 17.7"
	@echo "make test-arm64   the compiled half on an emulated ARM; also test-armhf, test-s390x"
	@echo "make startup      start-up time, idle CPU and memory beside C tincd"
	@echo "make install      into PREFIX, beside C tincd; 'tincd-compat takeover' does the rest"
	@echo "make uninstall    undo that, to the last file; refuses while /usr/sbin/tincd is ours"
	@echo "make deb          a Debian package in dist/ that diverts C tincd"
	@echo "make test-deb     that package from installation to purge, on Debian 12 and 13"
	@echo "make bench        the figures of README.md and docs/figures.md"
	@echo "make bench-core   what sealing and opening a packet costs in compiled code"
	@echo "make bench-mesh   the cost of learning a large mesh beside C tincd"

demo: tools $(VENV)/.runtime
	$(BIN)/python -m conformance.demo

# The three that only compute go side by side.
test:
	$(MAKE) --jobs=3 --output-sync lint unit simulation
	$(MAKE) conformance

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Workers, one for each processor, get these options of Python by their command line:
# they inherit none, and -bb has no variable in the environment.
STRICT := $(BIN)/python -bb -X dev
unit: $(VENV)/.dev
	$(STRICT) -m pytest -q --ignore=tests/simulation --durations=5 --cov --cov-report= \
	  --dist=worksteal --tx="$$(nproc)*popen//python=$(STRICT)"
	$(BIN)/coverage report --format=total

# Millions of messages: without the tracing that the other tests are worth.  A module is
# one piece.
simulation: $(VENV)/.dev
	$(BIN)/python -m pytest -q --numprocesses=auto --dist=loadfile tests/simulation

# Promises of SECURITY.md are broken by hand, and what four packages do line by line; a
# name is that of a promise or of a package.
mutants: $(VENV)/.mutation
	$(BIN)/python -m tests.mutation $(ARGS)

conformance: tools $(VENV)/.dev
	$(BIN)/python -m conformance $(ARGS)

probes: tools $(VENV)/.runtime
	$(BIN)/python -m conformance.probes $(ARGS)

startup: tools $(VENV)/.runtime
	$(BIN)/python -m conformance.startup

# The documents take their figures from a run of everything; a part of it is kept apart.
FIGURES = $(if $(filter --measure% --contender% --mode%,$(ARGS)),build,conformance/results)/bench.json

bench: tools $(VENV)/.runtime
	@for package in $(BENCH_PACKAGES); do \
	  dpkg -s $$package >/dev/null 2>&1 \
	    || DEBIAN_FRONTEND=noninteractive $(APT_GET) install -y -qq --no-install-recommends $$package \
	    || echo "could not install $$package"; \
	done
	$(BIN)/python -m conformance.bench --json $(FIGURES) $(ARGS)

bench-mesh: tools $(VENV)/.runtime
	$(BIN)/python -m conformance.bench_mesh $(ARGS)

# Installs what is missing and nothing else.  C tincd may be impossible to have; the
# commands that need it say so themselves.
tools:
	@PYTHON="$(PYTHON)" sh contrib/install/packages.sh $(TOOLS)

$(VENV)/bin/python: | tools
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: setup.cfg setup.py pyproject.toml $(wildcard $(FAST)/*.[ch]) | $(VENV)/bin/python
	$(BIN)/python -m pip install -q --disable-pip-version-check $(EDITABLE) .
	touch $@

$(VENV)/.dev: setup.cfg pyproject.toml $(VENV)/.runtime
	$(BIN)/python -m pip install -q --disable-pip-version-check $(EDITABLE) '.[dev]'
	touch $@

$(VENV)/.mutation: $(VENV)/.dev
	$(BIN)/python -m pip install -q --disable-pip-version-check $(EDITABLE) '.[mutation]'
	touch $@

# An environment of its own; outside of it there are only links, for man and shells, and
# what was missing to build with.  Nothing that is installed gets another version.
PREFIX ?= /opt/tincd-compat
SHAREDIR ?= /usr/local/share

install uninstall:
	@PREFIX="$(PREFIX)" SHAREDIR="$(SHAREDIR)" PYTHON="$(PYTHON)" BUILD="$(BUILD)" \
	  sh contrib/install/local.sh $@

# A host that only runs it needs nothing to test it with.
deb: TOOLS := $(BUILD)

# Debian's own tools for packages, and for minimal systems to try them on.
PACKAGING := dpkg-shlibdeps:dpkg-dev
deb test-deb: TOOLS += $(PACKAGING)
test-deb: TOOLS += debootstrap:debootstrap

deb: tools
	sh contrib/debian/build.sh dist

test-deb: tools $(VENV)/.runtime
	$(BIN)/python -m conformance.packaging $(ARGS)

# The compiled half under AddressSanitizer and UndefinedBehaviorSanitizer: its unit tests
# in a copy of the tree, and its core alone with broken input for FUZZ_SECONDS.
SANITIZE := -g -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined
WARN := -std=gnu11 -Wall -Wextra -Wconversion -Werror
CORE := $(filter-out $(FAST)/binding%,$(wildcard $(FAST)/*.c))
FUZZ_SECONDS ?= 20
SANITIZED := build/sanitized

test-sanitized: $(VENV)/.dev check-core fuzz
	rm -rf $(SANITIZED) && mkdir -p $(SANITIZED)
	cp -r setup.py setup.cfg pyproject.toml README.md LICENSE tincd_compat tests $(SANITIZED)
	cd $(SANITIZED) && rm -f $(FAST)/*.so && CFLAGS="$(SANITIZE)" TINCD_COMPAT_EXTENSION=yes \
	  $(abspath $(BIN))/python setup.py -q build_ext --inplace
	cd $(SANITIZED) && LD_PRELOAD="$$(cc -print-file-name=libasan.so) $$(cc -print-file-name=libubsan.so)" \
	  ASAN_OPTIONS=detect_leaks=0 PYTHONMALLOC=malloc PYTHONPATH=. \
	  $(abspath $(BIN))/python -m pytest -q -p no:cacheprovider tests/tunnel/test_fast_codec.py tests/tunnel/test_sptps_codec.py \
	  tests/segments/test_fast_offload.py tests/tunnel/test_pump*.py tests/tunnel/test_forgetting_pumps.py tests/tunnel/test_serving.py \
	  tests/tunnel/test_plain.py tests/tunnel/test_lzo.py tests/tunnel/test_codec.py tests/segments/test_coalescing.py tests/segments/test_splitting.py

# What only a known secret or a played kernel brings about.  A part that a check looks
# into is included there, so it is left out here.  Names are looked up at the start, as
# when it is built: whoever does so at the first call leaves all registers on the stack.
check-core:
	mkdir -p build
	cc $(WARN) $(SANITIZE) -Wl,-z,now -I$(FAST) -o build/checks $(wildcard tests/fast/check*.c) \
	  $(filter-out $(FAST)/map.c,$(CORE)) -lcrypto
	build/checks

# With clang (and its run-time library, a package of its own) this is libFuzzer, else the
# driver does its own damage.  What libFuzzer has found worth keeping is where it begins.
FUZZ := $(wildcard tests/fast/fuzz*.c) $(CORE)
fuzz:
	mkdir -p build/corpus
	if echo 'int LLVMFuzzerTestOneInput(void) { return 0; }' \
	  | clang $(SANITIZE) -fsanitize=fuzzer -x c - -o build/fuzz 2>/dev/null; then \
	  clang $(WARN) $(SANITIZE) -fsanitize=fuzzer -DFUZZER -I$(FAST) -o build/fuzz $(FUZZ) -lcrypto \
	  && build/fuzz -max_total_time=$(FUZZ_SECONDS) -max_len=4096 -len_control=0 \
	    -print_final_stats=1 -artifact_prefix=build/ build/corpus; \
	else \
	  cc $(WARN) $(SANITIZE) -I$(FAST) -o build/fuzz $(FUZZ) -lcrypto && build/fuzz $(FUZZ_SECONDS); \
	fi

# Sessions of SPTPS, which are Python.  A seed that ends a run is printed.
fuzz-sptps: $(VENV)/.dev
	$(BIN)/python -m tests.fuzz.sptps $(FUZZ_SECONDS)

# Ten million packets, with the instructions of this processor and without.
HARDENED := -O3 -fvisibility=hidden -fstack-protector-strong -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
soak:
	mkdir -p build
	cc $(WARN) $(HARDENED) -I$(FAST) -o build/soak tests/fast/soak.c $(CORE) -lcrypto
	build/soak 10000000
	build/soak 10000000 portable

# What a packet costs in the compiled core alone.
bench-core:
	mkdir -p build
	cc $(WARN) $(HARDENED) -I$(FAST) -o build/bench tests/fast/bench.c $(CORE) -lcrypto
	build/bench

# The same on another processor (32 bits; the other order of bytes), which qemu plays.
test-arm64 test-armhf test-s390x:
	sh tests/fast/foreign.sh $(@:test-%=%)

clean:
	rm -rf $(VENV) build dist $(FAST)/*.so *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage
