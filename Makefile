# `make demo` and `make test` set up everything they need in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
TESTS := $(VENV)/.installed-tests

.PHONY: demo test test-quick test-all lint clean

$(STAMP): setup.cfg pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[all]'
	touch $@

$(TESTS): $(STAMP)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[all,test]'
	$(BIN)/python -m pip install --quiet -c constraints.txt --no-deps norse  # its torchvision wants another torch
	touch $@

demo: $(STAMP)
	$(BIN)/rsnnctl demo

test: $(TESTS)
	$(BIN)/python -m pytest -n 2

test-quick: $(TESTS)
	$(BIN)/python -m pytest -n 2 -m 'not slow'

test-all: $(TESTS)
	RSNN_TEST_ALL=1 $(BIN)/python -m pytest -n 2

lint: $(TESTS)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV) runs build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
