# Two commands: `make demo` and `make test`. Each makes .venv where it is missing, installs into it
# when pyproject.toml or constraints.txt changed, and can be repeated.
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet -c constraints.txt
SCENARIO ?= quadruple_tank
OUT ?= out/demo
SEED ?= 0

# One thread for each numerical library: they slow each other down on a shared machine.
export OMP_NUM_THREADS := 1
export OPENBLAS_NUM_THREADS := 1

.PHONY: demo test check wheel clean

demo: $(VENV)/.installed
	$(BIN)/procwm demo $(SCENARIO) --out $(OUT) --seed $(SEED)

# A process for each core, a file at a time; more than four would mostly import.
test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# What a user without a checkout gets: the wheel, in an environment of its own.
WHEEL := build/wheel
wheel: $(BIN)/python
	rm -rf $(WHEEL)
	$(BIN)/python -m pip --disable-pip-version-check wheel --quiet --no-deps --wheel-dir $(WHEEL) .
	$(BIN)/python -m venv $(WHEEL)/env
	$(WHEEL)/env/bin/python -m pip --disable-pip-version-check install --quiet -c constraints.txt $(WHEEL)/procwm-*.whl
	cd $(WHEEL) && env/bin/procwm --help > /dev/null
	cd $(WHEEL) && env/bin/procwm scenarios
	cd $(WHEEL) && env/bin/procwm demo --help > /dev/null
	cd $(WHEEL) && ! env/bin/python -c 'import procwm_studies' 2> /dev/null

clean:
	rm -rf out build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

$(BIN)/python:
	@for python in $(PYTHON) python3.13 python3.12 python3.11 python3; do \
	  if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    exec $$python -m venv $(VENV); \
	  fi; \
	done; echo "procwm needs Python 3.11 or later; name one with: make PYTHON=/path/to/python3" >&2; exit 1

$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) -e .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) -e '.[dev]'
	@touch $(VENV)/.installed $@
