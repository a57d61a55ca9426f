# make run: set up and start. make test: set up and test. make help: everything else.
SHELL := /bin/bash
VENV ?= .venv
BIN := $(VENV)/bin
ARGS ?=
TEST_ARGS ?=
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)

.PHONY: help run serve test check bench soak format clean packages

help: ## Show this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

$(VENV)/.created:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: apt-get install python3 python3-venv"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "venv is missing: apt-get install python3-venv"; exit 1; }
	@touch $@

$(VENV)/.installed: $(VENV)/.created pyproject.toml constraints.txt
	@echo "Installing Lightmill (the first time takes minutes: torch is large)"
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test,dev]'
	@touch $@

run: $(VENV)/.installed ## Install and start the server on http://127.0.0.1:8080
	@$(BIN)/lightmill serve $(ARGS)

serve: run ## The same; ARGS="--port 9000 --pipeline edges"

packages:
	@missing=; for pair in chromium:chromium turnserver:coturn ip:iproute2; do \
	PATH="$$PATH:/usr/sbin:/sbin" command -v $${pair%:*} >/dev/null || missing="$$missing $${pair#*:}"; done; \
	test -z "$$missing" || { if [ "$$(id -u)" = 0 ]; then s=; else s="sudo -n"; fi; \
	$$s apt-get update -qq && \
	$$s env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; } \
	|| echo "The tests need programs that could not be installed: sudo apt-get install$$missing"

test: $(VENV)/.installed-test packages ## Install what the tests need and run them all; TEST_ARGS="-k name"
	@if command -v node >/dev/null; then node --test tests/web/*.test.js; \
	else echo "The page's unit tests need Node.js 20: sudo apt-get install nodejs"; exit 1; fi
	@$(BIN)/python -m pytest $(TEST_ARGS)

node_modules: package.json package-lock.json
	@npm ci --silent && touch $@

check: $(VENV)/.installed-test node_modules ## Format, lint, types, layers, spelling
	@$(BIN)/ruff format --check server tests
	@$(BIN)/ruff check server tests
	@$(BIN)/pyright --pythonpath $(BIN)/python
	@$(BIN)/lint-imports
	@$(BIN)/codespell server tests/*/*.py static docs config *.md
	@npx tsc -p tsconfig.json

format: $(VENV)/.installed-test ## Format and fix what can be fixed
	@$(BIN)/ruff format server tests
	@$(BIN)/ruff check --fix server tests

LONG := %/bench_network.py %/bench_memory.py
bench: $(VENV)/.installed-test ## Measure; the numbers belong into docs/performance.md
	@for f in $(filter-out $(LONG),$(wildcard tests/benchmarks/bench_*.py)); do $(BIN)/python $$f || exit 1; done

soak: $(VENV)/.installed-test ## Measure over bad networks (Linux, root) and memory for 30 minutes
	@$(BIN)/python tests/benchmarks/bench_network.py
	@$(BIN)/python tests/benchmarks/bench_memory.py

clean: ## Remove what make made
	rm -rf $(VENV) node_modules dist build .pytest_cache .ruff_cache .import_linter_cache
