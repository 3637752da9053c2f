# Everything a newcomer or a developer types. Needs only make and Python 3.11 or later; `make help` lists it.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.DEFAULT_GOAL := help
.PHONY: help install demo test test-slow check format bench clean

help:  ## Show what there is to make
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

install: $(READY)  ## Set up .venv with gan-lab and everything to work on it

$(READY): setup.cfg pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "gan-lab needs Python 3.11 or later: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: $(READY)  ## Train a GAN on real handwritten digits (about a minute on two cores) and show where it drew
	$(BIN)/gan-lab fit --config configs/digits/dcgan.yaml

test: $(READY)  ## Run the tests
	$(BIN)/python -m pytest

test-slow: $(READY)  ## Run the checks that train for minutes
	$(BIN)/python -m pytest -m slow

check: $(READY)  ## Lint, formatting and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: $(READY)  ## Put the code in its format
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(READY)  ## Measure the training step against hand-written loops, and the scores against other libraries
	$(BIN)/python benchmarks/step.py
	$(BIN)/python -W ignore benchmarks/scores.py

clean:  ## Remove the environment and caches; runs and data stay
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
