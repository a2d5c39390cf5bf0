# Every target sets up what it needs; a machine with Python 3.11 and make is enough.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test lint interop fuzz properties crash damage hostile bench bench-peers bench-store bench-search clean

demo: $(VENV)/.installed
	$(BIN)/poparchive demo

test: $(VENV)/.installed-dev dovecot compiler
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -n auto $(PYTEST)

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.installed-dev
	$(BIN)/python -m bench $(BENCH)

# Seven POP3 servers from Debian, unpacked below a cache; the table in docs/servers.md is made anew.
interop: $(VENV)/.installed-dev
	sh tests/interop/install.sh
	$(BIN)/python -m tests.interop.report

# Whatever octets a server sends, for SECONDS; needs atheris, which is installed for it.
SECONDS ?= 60
fuzz: $(VENV)/.installed-dev
	$(BIN)/pip install --quiet --disable-pip-version-check atheris
	$(BIN)/python -m tests.fuzz.fuzz_pop3 -max_total_time=$(SECONDS)

# The POP3 client beside mpop, getmail6 and fetchmail; the last two need minutes.
bench-peers: $(VENV)/.installed-dev
	$(BIN)/python -m bench peers $(BENCH)

# The store before and after optimize, with an archive of a million messages, which is made once: hours.
bench-store: $(VENV)/.installed-dev
	$(BIN)/python -m bench store $(BENCH)

# Search beside mu and notmuch, among a million messages, which are made once: an hour, more the first time.
bench-search: $(VENV)/.installed-dev
	$(BIN)/python -m bench find $(BENCH)

# Other examples for the property tests than those of `make test`, and more of them: minutes.
properties: $(VENV)/.installed-dev
	$(BIN)/pytest -n auto --hypothesis-profile=others $$(grep -rl "^from hypothesis" tests --include="test_*.py")

# Every fault at every write, or at every EVERYth; the table in docs/durability.md is made anew. A run that was
# cut goes on with the file DONE that it was given.
EVERY ?= 1
DONE ?=
crash: $(VENV)/.installed-dev compiler
	$(BIN)/python -m tests.crash.report $(EVERY) $(DONE)

# DAMAGES random damages to a small archive, and what becomes of each, as a table.
DAMAGES ?= 10000
damage: $(VENV)/.installed-dev
	$(BIN)/python -m tests.damage.table $(DAMAGES)

# All hostile attachments, and what becomes of each; all attachments of the corpus.
hostile: $(VENV)/.installed-dev
	$(BIN)/python -W ignore -m tests.hostile.attachments.run
	WHOLE=1 $(BIN)/pytest -q tests/archive/test_contents_corpus.py

# A C compiler is for tests of faults; where it cannot be installed they are skipped and say so.
.PHONY: compiler
compiler:
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && \
	  { ! command -v cc >/dev/null || [ ! -e /usr/include/stdio.h ]; }; then \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
	  apt-get install -y -qq --no-install-recommends gcc libc6-dev >/dev/null \
	  || echo "make: gcc could not be installed; tests of faults will be skipped"; fi

# Dovecot is for the interop tests; where it cannot be installed they are skipped and say so.
.PHONY: dovecot
dovecot:
	@if [ "$$(id -u)" = 0 ] && [ ! -x /usr/lib/dovecot/pop3 ] && command -v apt-get >/dev/null; then \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
	  apt-get install -y -qq --no-install-recommends dovecot-core dovecot-pop3d openssl >/dev/null \
	  || echo "make: dovecot-pop3d could not be installed; its tests will be skipped"; fi

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/python pyproject.toml
	$(BIN)/pip install --quiet --disable-pip-version-check -e .
	touch $@

$(VENV)/.installed-dev: $(VENV)/bin/python pyproject.toml
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $@ $(VENV)/.installed

clean:
	rm -rf $(VENV) build dist
