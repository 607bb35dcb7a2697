# Everything one can do here. Each command makes or refreshes .venv first; nothing is needed but Python 3.11 or later.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo dev test check bench format lock clean

BIN := .venv/bin
ARGS ?=

help: ## list the commands (this text)
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-8s %s\n", $$1, $$2 }'

demo: ## turn real countries into a catalogued GeoParquet, with a map of it (in demo/)
	@scripts/install local
	@rm -rf demo
	@$(BIN)/geoingest run examples/countries/countries.geojson --home demo --dataset-id countries --title "Countries of the world"
	@$(BIN)/geoingest show countries --home demo --html demo/countries.html >/dev/null
	@echo "Open the map in a browser: $(CURDIR)/demo/countries.html"

dev: ## run the chain as function servers and watch .geoingest/landing-zone/manifests/; ARGS="--home DIR"
	@scripts/install dev
	@$(BIN)/geoingest dev $(ARGS)

test: ## run the tests; ARGS="-k name" chooses some
	@scripts/install dev
	@scripts/install-services
	@$(if $(ARGS),$(BIN)/python -m pytest $(ARGS),$(BIN)/python -m pytest --ignore=tests/contract && $(BIN)/python -m pytest tests/contract)

check: ## lint, formatting, types, import rings and house style
	@scripts/install dev
	@echo "ruff check" && $(BIN)/ruff check --quiet
	@echo "ruff format" && $(BIN)/ruff format --check --quiet
	@echo "mypy" && $(BIN)/mypy --no-error-summary
	@echo "import rings" && $(BIN)/lint-imports --no-logo
	@echo "house style" && $(BIN)/python tests/gates/style.py

bench: ## run every benchmark and print one table; ARGS="--rows 3000000" for more
	@scripts/install dev
	@scripts/install-services bench
	@$(BIN)/python benchmarks $(ARGS)

format: ## format the code and mend what the linter can mend
	@scripts/install dev
	@$(BIN)/ruff format --quiet
	@$(BIN)/ruff check --quiet --fix

lock: ## renew requirements/ from pyproject.toml; ARGS=--upgrade takes the newest versions
	@scripts/lock $(ARGS)

clean: ## remove .venv, caches, demo/ and dist/ (your .geoingest/ stays)
	@rm -rf .venv .cache demo dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage
	@find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
