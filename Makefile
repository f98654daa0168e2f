# Two commands matter: `make book` and `make test`. `make help` lists the rest.

PYTHON ?= python3
SCALE  ?= quick
CORES  ?= all

VENV  := .venv
READY := $(VENV)/.ready
INDEX := _build/html/index.html
LOCK_HEADER := \# Every version the book and its tests use, for Python 3.11 to 3.13. Made by `make lock` from pyproject.toml; do not edit.

export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
SNAKEMAKE := snakemake --cores $(CORES) --config scale=$(SCALE) --rerun-incomplete --quiet rules progress host reason

.PHONY: help setup book test lint format lock chapter clean distclean
.DEFAULT_GOAL := help

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "  variables   PYTHON=$(PYTHON) SCALE=$(SCALE) (quick, cpu, paper) CORES=$(CORES)"

setup: $(READY) ## .venv from requirements.lock, vgf installed in it

$(READY): requirements.lock pyproject.toml .ci/install.py
	@$(PYTHON) .ci/install.py
	@touch $@

book: $(READY) ## run what is out of date and build the book
	@$(SNAKEMAKE) book
	@echo "Book: file://$(CURDIR)/$(INDEX)"

test: book ## every test, the built book in a browser included
	@python -m pytest

lint: $(READY) ## ruff (chapters' cells too), mypy, no outputs in git
	@pre-commit run --all-files

format: $(READY) ## rewrite code, chapters' cells too, in the house format
	@ruff check --fix-only --quiet .
	@ruff format --quiet .
	@jupytext --quiet --pipe "ruff format -" --pipe-fmt py:percent notebooks/*.md

lock: $(READY) ## resolve requirements.lock anew
	@python -m uv --version >/dev/null 2>&1 || python -m pip install --quiet uv 2>/dev/null
	@python -m uv pip compile --quiet --upgrade pyproject.toml -o requirements.lock.new
	@{ echo "$(LOCK_HEADER)"; cat requirements.lock.new; } > requirements.lock
	@rm requirements.lock.new
	@echo "requirements.lock: $$(grep -c == requirements.lock) pins"

chapter: $(READY) ## rerun one chapter: make chapter CH=02_mmd_bound
	@test -f "notebooks/$(CH).md" || { echo "chapter: no notebooks/$(CH).md; say CH=one of:" $(basename $(notdir $(wildcard notebooks/*.md))); exit 2; }
	@$(SNAKEMAKE) --force notebooks/$(CH).ipynb
	@echo "Chapter: notebooks/$(CH).ipynb (\`make book\` puts it into the book)"

clean: ## remove the built book, executed chapters and figures; datasets and runs stay
	rm -rf _build data/figures notebooks/*.ipynb notebooks/.ipynb_checkpoints .snakemake

distclean: clean ## also remove .venv, caches, regenerated datasets and quick runs
	rm -rf $(VENV) data/cache data/results/*.quick .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
