# Every target is a sentence's worth of work; `make help` lists them.
PYTHON ?= python3
BIN := .venv/bin
.DEFAULT_GOAL := help

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

.venv/.runtime: requirements/runtime.txt pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing the locked environment (about a minute, once) ..."
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --require-hashes -r requirements/runtime.txt
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.venv/.dev: .venv/.runtime requirements/dev.txt
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --require-hashes -r requirements/dev.txt
	@touch $@

setup: .venv/.runtime  ## build .venv from the hashed lock; .venv/bin/undertow is the command

demo: .venv/.runtime  ## a synthetic clinic, five nights, flags, a page and a mail
	@$(BIN)/undertow demo

test: .venv/.dev  ## the default suite
	@$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow"

proofs: .venv/.dev  ## the rest: many nights, replays, real files, own models, Prefect, hostile files
	@$(BIN)/python -m pytest -n 2 --dist loadfile -m slow

check: .venv/.dev  ## style, types, layers, lock
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@! grep -n '://' requirements/*.txt

format: .venv/.dev  ## let ruff mend what it can
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: .venv/.dev  ## speed and memory as ratios in one run (minutes)
	@$(BIN)/python -m tests.benchmarks

faults: .venv/.dev  ## kill the night at every step, twice (minutes)
	@$(BIN)/python -m pytest tests/faults/slow

fuzz: .venv/.dev  ## hostile input for every reader, guided by coverage (a minute each)
	@$(BIN)/python -m tests.fuzz --seconds 60

pages: .venv/.dev  ## write the pages that come from the catalogs anew
	@$(BIN)/python -m transforms.catalog.index_page > docs/indices.md
	@$(BIN)/python -m transforms.catalog.tissues > docs/tissues.md
	@$(BIN)/python -m warehouse.dictionary > docs/dictionary.md

analysts: .venv/.runtime  ## write docs/analysts.md from the demo's home (after make demo)
	@$(BIN)/python -m flows.questions var/demo

lock:  ## resolve the two lock files again (needs uv)
	uv pip compile -q --universal --generate-hashes --no-header --no-emit-index-url --no-annotate --python-version 3.11 pyproject.toml --group build -o requirements/runtime.txt
	uv pip compile -q --universal --generate-hashes --no-header --no-emit-index-url --no-annotate --python-version 3.11 pyproject.toml --group build --group dev -o requirements/dev.txt

.PHONY: help setup demo test proofs check format bench faults fuzz pages analysts lock
