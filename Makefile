# Every command of the project. `make run` and `make test` set up what they need by themselves.
SHELL := /bin/bash
.DEFAULT_GOAL := help

PYTHON ?= python3
# More arguments for pytest:  make test PYTEST_ARGS="tests/core -x"
PYTEST_ARGS ?=
export PYTHON

.PHONY: help run test contract fuzz wheel-test bench bench-losses parity lint format types imports examples docs oracles clean set-up

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## *(.*)/  \1\t\2/' | expand -t 14

run:  ## set up, run the main job (`pilothouse quickstart`), print where its report lies
	@scripts/run.sh

set-up:
	@scripts/setup.sh test

test: set-up  ## set up and run the tests
	@.venv/bin/python -m pytest -n 2 $(PYTEST_ARGS)

contract: set-up  ## the contract of every recipe at full depth, of which the gate runs a sixteenth
	@.venv/bin/python -m pytest -n 2 tests/contract -m "" $(PYTEST_ARGS)

# How many damaged files a reader `make fuzz` tries.
FUZZ ?= 10000

fuzz: set-up  ## damaged datasets against every reader, drawn anew each time; FUZZ=1000 for fewer
	@PILOTHOUSE_FUZZ=$(FUZZ) .venv/bin/python -m pytest -n 2 --hypothesis-profile=explore tests/data/test_reading_fuzz.py $(PYTEST_ARGS)

wheel-test: set-up  ## install the built wheel into an empty environment and use it there
	@.venv/bin/python -m pytest tests/test_packaging.py -m slow

bench: set-up  ## measure beside peers, in turns, in environments of their own; ROWS="sac-sbx iql-d3rlpy" for some
	@.venv/bin/python benchmarks/run.py $(ROWS)

bench-losses: set-up  ## losses and gradients beside those of the peers, on the same weights and batch
	@.venv/bin/python benchmarks/losses/run.py

parity: set-up  ## returns beside peers, a seed at a time, resumable; about two hours in all
	@.venv/bin/python benchmarks/parity.py $(ROWS)

lint: set-up  ## ruff: rules and format
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .

format: set-up  ## ruff: mend what can be mended
	@.venv/bin/ruff check --fix .
	@.venv/bin/ruff format .

types: set-up  ## pyright over src/
	@.venv/bin/pyright

imports: set-up  ## the rule of who may import whom
	@.venv/bin/lint-imports

examples: set-up  ## run the Python of README.md, CONTRIBUTING.md, docs/ and docstrings
	@.venv/bin/python scripts/check_examples.py

docs: set-up  ## write docs/: a page for each recipe, from its docstring and record
	@.venv/bin/python scripts/make_docs.py

oracles:  ## say how the outside oracles are recomputed, each in an environment of its own
	@sed -n '/^"""/,/"""$$/p' tests/oracles/rliable.py tests/oracles/open_bandit.py tests/oracles/sb3_models.py tests/oracles/d3rlpy_exports.py tests/oracles/shap_exact.py tests/oracles/language_models.py

clean:  ## remove what was built, measured and cached here; runs/ stays
	rm -rf .venv .bench .cache build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
