# modelpicker: everything from a clean clone, on a machine with Python 3.11 and pip.
PYTHON ?= python3
PORT ?= $(or $(MODELPICKER_PORT),8000)
BIN := .venv/bin
CATALOG := build/catalog.duckdb
FACTS := $(shell find models_data -type f) $(shell find catalog -name '*.py' -o -name '*.sql')
TYPED := service catalog clients/python/src clients/chatops/src tests

.PHONY: help serve test check evaluate sbom audit soak clean

help: ## what there is
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/ —/'

serve: $(CATALOG) ## build the catalog and serve it on 127.0.0.1:$(PORT)
	@$(BIN)/python -m compileall -q service catalog clients/python/src
	$(BIN)/python -m service --port $(PORT)

test: $(CATALOG) ## format, lint, layers, types, facts, tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy $(TYPED)
	$(BIN)/python -m catalog check
	$(BIN)/pytest

check: .venv/ready ## refuse bad facts, with file, line and rule
	$(BIN)/python -m catalog check

evaluate: .venv/ready ## error and coverage, left out by model and by source
	$(BIN)/python -m catalog evaluate

sbom: .venv/ready ## build/sbom.json: what the service is made of, as CycloneDX
	@mkdir -p build
	$(BIN)/uv export --quiet --frozen --no-dev --all-packages --all-extras --format cyclonedx1.5 --output-file build/sbom.json

audit: .venv/ready ## known vulnerabilities of what is locked (asks osv.dev)
	$(BIN)/uv audit --frozen --no-dev

soak: $(CATALOG) ## half an hour of load, new catalogs, measurements and kills: what breaks, grows, slows
	$(BIN)/python tests/bench/soak.py

clean: ## forget what was built
	rm -rf build .venv

$(CATALOG): .venv/ready $(FACTS)
	$(BIN)/python -m catalog build --output $@

.venv/ready: pyproject.toml uv.lock clients/python/pyproject.toml clients/chatops/pyproject.toml
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { echo "python3-venv is missing: apt-get install python3-venv"; exit 1; }
	test -x $(BIN)/uv || { $(PYTHON) -m venv .venv && $(BIN)/pip install --quiet uv; }
	$(BIN)/uv sync --quiet --frozen --all-packages --all-extras --compile-bytecode
	@touch $@
