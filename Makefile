# One command each. Everything runs in .venv, which `setup` makes and keeps up to date.

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# make setup PYTHON=...      another interpreter than python3.11 or python3
PYTHON ?=
# make demo DATA=... LIMIT=... ARGS=...
DATA ?=
LIMIT ?=
# make test ARGS="-k cursor"     make test WORKERS=0     make soak ARGS="--minutes 5"     make bench ARGS=...
ARGS ?=
WORKERS ?= auto

# Each process that a test starts would compile all modules anew.
unexport PYTHONDONTWRITEBYTECODE

CODE = $(foreach folder,src tests benchmarks examples,$(if $(shell find $(folder) -name '*.py' 2>/dev/null),$(folder)))
# A file that starts with an underscore is shared by benchmarks, not one of them.
BENCHMARKS = $(sort $(filter-out benchmarks/_%,$(wildcard benchmarks/*.py)))

.DEFAULT_GOAL := help
.PHONY: help setup demo test soak lint types bench benchmarks lock clean

help: ## This list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: $(READY) ## Make .venv from the lock file, with feedkit installed in place

$(READY): requirements-dev.lock pyproject.toml
	@for python in $(or $(PYTHON),python3.11 python3); do \
		if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then found=$$python; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
		echo "feedkit needs Python 3.11 or newer, and none of these is: $(or $(PYTHON),python3.11 python3)." >&2; \
		echo "Install one, or name it: make setup PYTHON=<path of python>" >&2; \
		exit 1; \
	fi; \
	if ! $(BIN)/python -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
		"$$found" -m venv --clear $(VENV); \
	fi
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup ## Replay a feed: DATA=<folder> LIMIT=<posts> ARGS=<more options>
	$(BIN)/feedkit demo $(if $(DATA),--data "$(DATA)") $(if $(LIMIT),--limit $(LIMIT)) $(ARGS)

test: setup ## Run the tests: ARGS=<options of pytest> WORKERS=<processes, 0 for none>
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --maxprocesses 8 --dist worksteal $(ARGS)

soak: setup ## Minutes of load and trouble with workers: ARGS="--minutes 5"
	PYTHONPATH=. $(BIN)/python tests/workers/soaking.py $(ARGS)

lint: setup ## Check style, format and layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo

types: setup ## Check types, strictly
	$(BIN)/mypy $(CODE)

bench: setup ## Run every benchmark briefly, one JSON report each: ARGS=<more options>
	@for script in $(BENCHMARKS); do \
		echo "== $$script" >&2; \
		PYTHONPATH=. $(BIN)/python "$$script" --quick --json $(ARGS) || exit 1; \
	done

benchmarks: setup ## Run them all and write docs/benchmarks.md, in some minutes: ARGS=<more options>
	PYTHONPATH=. $(BIN)/python -m benchmarks.report --quick $(ARGS)

lock: setup ## Pin the newest versions anew, after a change of dependencies
	$(BIN)/python -c 'import tomllib; print("# Written by `make lock` from the dev group of pyproject.toml.", *tomllib.load(open("pyproject.toml", "rb"))["dependency-groups"]["dev"], sep="\n")' > requirements-dev.in
	$(BIN)/python -m venv --clear $(VENV)/lock
	$(VENV)/lock/bin/python -m pip install --quiet --disable-pip-version-check --requirement requirements-dev.in '.[bench,cli,django,opentelemetry,postgres,prometheus]'
	( echo '# Written by `make lock`: everything that the dev environment holds.'; \
	  $(VENV)/lock/bin/python -m pip freeze --disable-pip-version-check --exclude feedkit ) > requirements-dev.lock
	rm -rf $(VENV)/lock

clean: ## Remove .venv and everything that tools wrote
	rm -rf $(VENV) build dist .benchmarks .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
