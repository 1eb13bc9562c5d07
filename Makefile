PYTHON := .venv/bin/python
# `make test PYTEST_ARGS="tests/labs -x"` runs a part of the suite.
PYTEST_ARGS ?= --numprocesses 2 --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help run test check bench native lock

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Set everything up and start the campus (PORT=8000)
	@.ci/setup
	@$(PYTHON) manage.py campus

test: ## Set everything up, Chromium included, and run the whole suite
	@.ci/setup test
	@$(PYTHON) -m pytest $(PYTEST_ARGS)

check: ## Lint, types, arrows, templates, missing migrations, course files
	@.ci/setup
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy $(wildcard platform/*) courses labs workers tests manage.py
	.venv/bin/lint-imports
	.venv/bin/djlint templates --lint --quiet
	$(PYTHON) manage.py makemigrations --check --dry-run
	@rm -rf var/check
	@CAMPUS_HOME=var/check $(PYTHON) manage.py migrate --verbosity 0
	CAMPUS_HOME=var/check $(PYTHON) manage.py checkcourse

bench: ## Measure engine, hand-over and pages; writes docs/performance.md
	@.ci/setup
	@$(PYTHON) manage.py bench

native: ## Build llama.cpp's own tools, to compare the engine with
	@.ci/setup
	@$(PYTHON) -m workers.native build

lock: ## Resolve the dependencies anew and lock them by hash
	@.ci/setup
	$(PYTHON) -m piptools compile --quiet --upgrade --generate-hashes --allow-unsafe \
		--strip-extras --extra dev --extra build --no-emit-index-url --no-emit-trusted-host \
		--no-emit-find-links --no-emit-options --output-file requirements.lock pyproject.toml
