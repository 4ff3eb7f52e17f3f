# The commands of the README are `make run`, `make up` and `make test`; all set up what they need.
PYTHON ?= python3
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt
JOBS ?=

export PATH := $(BIN):$(PATH)

.PHONY: run up test check fast slow soak bench clean

run: $(VENV)/.run
	@$(BIN)/python examples/run.py $(if $(JOBS),--jobs $(JOBS))

up: $(VENV)/.run
	@$(BIN)/reconciler up $(if $(JOBS),--jobs $(JOBS))

test: check fast slow

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/reconciler validate
	$(BIN)/reconciler compile --check
	$(BIN)/python docs/generate.py --check

fast: $(VENV)/.dev $(VENV)/.kserve
	$(BIN)/python -m pytest -q -m "not slow" -n 2

slow: $(VENV)/.dev
	$(BIN)/python -m pytest -q -m "slow and not soak" -n 3 --dist loadfile

soak: $(VENV)/.dev
	$(BIN)/python -m pytest -q -m soak

bench: $(VENV)/.dev
	@for script in bench/*.py; do echo "== $$script"; $(BIN)/python $$script || exit 1; done

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: $(VENV)/bin/python pyproject.toml constraints.txt
	$(PIP) --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.run
	$(PIP) --editable '.[dev]'
	@touch $@

# KServe's client, in a folder of its own and without the requirements of its servers.
$(VENV)/.kserve: $(VENV)/.dev constraints-kserve.txt
	$(PIP) --no-deps --upgrade --target $(VENV)/kserve --requirement constraints-kserve.txt
	@touch $@

clean:
	rm -rf $(VENV) .reconciler releases deployed
