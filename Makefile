# Every target says what it does: `make help`.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.complete
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup demo dashboards test lint bench clean

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP)  ## make .venv with everything that is needed, at the tested versions

# torch goes first and alone: resolved together with the rest, a newer one with gigabytes of CUDA could come in.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "reelmill needs Python 3.11 or newer: make setup PYTHON=…")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	tests/browser/install_chromium
	@touch $@

demo: setup  ## the whole mill on this machine: services, media, worker, results beside the truth, report.html
	$(BIN)/reelmill demo $(ARGS)

dashboards: setup  ## Apache Superset with its dashboard, on the running mill (in .superset, 0.8 GB; ARGS='--help')
	$(BIN)/python -m dashboards $(ARGS)

test: setup  ## all tests, on a real Postgres and Redis (ARGS='-k ground' for some)
	$(BIN)/pytest $(ARGS)

lint: setup  ## ruff, formatting, types, import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup  ## the benchmarks (ARGS='submit --json' for one)
	$(BIN)/python -m benchmarks $(ARGS)

clean:  ## remove .venv, .superset and everything else that was made here
	rm -rf $(VENV) .superset report.html build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
