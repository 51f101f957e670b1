# Two commands do everything on a fresh machine: `make fit` and `make test`. Both stand on `make install`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DOCS := $(VENV)/.installed-docs
JOBS ?= 2
FLOOR ?= 90
ARGS ?=

# Corpora that lie beside the checkout are used; elsewhere ECPE_ZOO_DATA or the user's cache decides.
ifneq ($(wildcard ../shared/data/.),)
export ECPE_ZOO_DATA ?= $(abspath ../shared/data)
endif

# Without a GPU driver a pinned release is asked for, of which a CPU build may be at hand (from a local wheel or
# an index in pip's configuration); with one, the platform's default build.
ifeq ($(shell command -v nvidia-smi 2>/dev/null),)
TORCH ?= torch==2.13.0
else
TORCH ?= torch>=2.11,<2.14
endif

.PHONY: help install fit test coverage lint types format docs report bench clean

help:  ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "%-9s %s\n", $$1, $$2}'

install: $(STAMP)  ## make .venv and install the package with its development tools

$(STAMP): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet '$(TORCH)'
	$(BIN)/python -m pip install --quiet -e '.[dev]'
	touch $@

fit: install  ## train MGCL on the bundled corpus and score it; ARGS=... are further options
	$(BIN)/ecpe-zoo fit --config configs/mgcl.yaml $(ARGS)

# One thread a process: two test processes share the machine's cores.
test: install  ## run the tests; JOBS=2 processes, ARGS=... for pytest
	OMP_NUM_THREADS=1 WANDB_MODE=disabled HF_HUB_OFFLINE=1 $(BIN)/python -m pytest -n $(JOBS) --dist worksteal $(ARGS)

coverage: install  ## run the tests and measure coverage (98 % with the corpora at hand); fails below the floor
	OMP_NUM_THREADS=1 WANDB_MODE=disabled HF_HUB_OFFLINE=1 $(BIN)/python -m pytest -n $(JOBS) --dist worksteal --cov \
	  --cov-report=term:skip-covered --cov-fail-under=$(FLOOR) $(ARGS)

lint: install  ## check style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install  ## check types
	$(BIN)/mypy

format: install  ## mend style and formatting
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

report: install  ## rebuild experiments/REPORT.md and its figures from the committed records
	$(BIN)/python -m experiments.report $(ARGS)

$(DOCS): $(STAMP)
	$(BIN)/python -m pip install --quiet -e '.[docs]'
	touch $@

docs: $(DOCS)  ## build the documentation into site-docs/; any broken link is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

bench: install  ## measure speed and memory; ARGS=... for python -m experiments.bench
	$(BIN)/python -m experiments.bench $(ARGS)

clean:  ## remove .venv, runs and caches
	rm -rf $(VENV) runs site-docs .pytest_cache .mypy_cache .ruff_cache
