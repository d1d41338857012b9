# Two commands for a newcomer: make quickstart, make test. Python 3.11 or newer.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
TEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest

.PHONY: quickstart install test test-slow lint docs clean

quickstart: $(VENV)/.installed ## virtual environment, install, first experiment
	$(BIN)/climbench run experiment=quickstart

test: $(VENV)/.installed-dev ## the default tests, under 12 minutes on 2 cores
	$(TEST) -n 2 -m "not slow"

test-slow: $(VENV)/.installed-dev ## the checks that take minutes each
	$(TEST) -m slow

lint: $(VENV)/.installed-dev ## format, lint, types, layering
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.installed-dev ## the documentation as pages: docs/_build/html/index.html
	$(BIN)/sphinx-build -W --keep-going -b html docs docs/_build/html

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "climbench needs Python 3.11 or newer: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	@echo "installing (1 to 3 minutes) ..."
	$(INSTALL) --editable .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(INSTALL) --editable ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) runs stores docs/_build docs/reference
