# `make demo` and `make test` need Python 3.11, 3.12 or 3.13 and a package registry, nothing else: no GPU, no questions.
#
#   VENV=.venv-colab CONSTRAINTS=constraints/colab.txt    the same with Colab's versions
#   PYTHON=/path/to/python                                the interpreter that makes the environment
#   PYTEST_ARGS="-n 4 tests/gpulabs"                      what pytest gets

VENV ?= .venv
CONSTRAINTS ?=
PYTEST_ARGS ?=
DEMO_REPORT ?= demo-report

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:

BIN := $(abspath $(VENV))/bin
# Keyed on content, not on times: a checkout, a clean CI cache and changed constraints all do the right thing.
STAMP := $(VENV)/.installed-$(shell cat pyproject.toml $(CONSTRAINTS) | cksum | tr ' ' '-')

# nbgrader and alembic are found by name; nothing of the caller's Python set-up leaks in.
export PATH := $(BIN):$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
unexport PYTHONPATH PYTHONHOME

.PHONY: help install demo test lint pytest labs help-pages result-tables take-records attack-table clean

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(STAMP)  ## Make $(VENV) and install gpulabs with what tests need

$(STAMP): pyproject.toml $(CONSTRAINTS)
	@bash scripts/make_venv.sh "$(VENV)" "$(CONSTRAINTS)"
	@rm -f $(VENV)/.installed-*
	@touch $@

demo: $(STAMP)  ## Grade the example submissions of Lab 1; scoreboard and HTML report
	@$(BIN)/autograder demo --out "$(DEMO_REPORT)"

# Types are checked against the newest libraries only: older ones have other stubs, not other behaviour.
test: $(if $(CONSTRAINTS),,lint) pytest  ## Run the linters, the type checker and all tests

lint: $(STAMP)  ## ruff, mypy --strict, import contracts
	@echo "ruff" && $(BIN)/ruff check --quiet . && $(BIN)/ruff format --quiet --check .
	@echo "mypy" && $(BIN)/mypy --no-error-summary
	@echo "import contracts" && PYTHONPATH=src:. $(BIN)/lint-imports --no-cache > "$(VENV)/lint-imports.log" \
	  || { cat "$(VENV)/lint-imports.log"; exit 1; }

pytest: $(STAMP)
	@bash scripts/system_packages.sh
	@$(BIN)/python -m pytest $(PYTEST_ARGS)

labs: $(STAMP)  ## Rebuild labs/ from solutions/
	@$(BIN)/autograder build

result-tables: $(STAMP)  ## Rebuild what README and docs say of measurements
	@$(BIN)/python scripts/result_tables.py

take-records: $(STAMP)  ## FROM=folder: take over the records that scripts/gpu_records.sh left there
	@$(BIN)/python scripts/take_records.py "$(FROM)"

attack-table: $(STAMP)  ## Rebuild the generated parts of docs/attacks.md
	@$(BIN)/python scripts/attack_table.py

help-pages: $(STAMP)  ## Rebuild the generated parts of docs/cli.md
	@$(BIN)/python scripts/help_pages.py

clean:  ## Remove environments, caches and the demo's report
	@rm -rf .venv .venv-colab build dist $(DEMO_REPORT) .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
