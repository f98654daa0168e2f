# Two commands matter: `make book` and `make test`. `make help` lists the rest.

PYTHON ?= python3
SCALE  ?= quick
CORES  ?= all
WORKERS ?= 2
EXPERIMENT ?=
RESULTS    ?= data/results
PROFILE    ?=
TAG        ?=
WITH       ?=

VENV  := .venv
READY := $(VENV)/.ready
INDEX := _build/html/index.html
LOCK_HEADER := \# Every version the book and its tests use, for Python 3.11 to 3.13. Made by `make lock` from pyproject.toml; do not edit.

export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
# A killed run leaves Snakemake's own lock behind, so it is not used: .ci/alone.py holds one that dies with its process.
# Snakemake looks at all inputs of all ready jobs once in the timespan of its rate limit, by default each second, and once
# more for each job that has ended while others wait. It also waits for the rest of a timespan before it ends.
SNAKEMAKE = snakemake $(if $(PROFILE),--profile $(PROFILE),--cores $(CORES)) --nolock --rerun-incomplete \
  --max-jobs-per-timespan 1000/10s \
  --quiet rules progress host reason --config scale=$(SCALE)
# Files in the order of tests/conftest.py, the longest first; a file stays on one worker.
PYTEST = python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder
STUDY = $(if $(filter %.yaml,$(EXPERIMENT)),$(EXPERIMENT),data/experiments/$(EXPERIMENT).yaml)
LABEL = $(basename $(notdir $(STUDY))).$(SCALE)
NOISE := ^(Assuming|Building DAG|Using shell|Select jobs|Execute [0-9]|Shutting|Removing|Complete log|Elapsed|Exiting|RuleEx|CalledPro|Command .source|_build/|notebooks/|data/|WorkflowError|At least one)

# Steps report on stdout; what Snakemake itself says is shown only when it fails for a reason of its own.
define snakemake
	@mkdir -p _build/logs
	@python .ci/alone.py _build/logs/$(1).lock $(SNAKEMAKE) $(2) 2>_build/logs/$(1).log || { grep -avE '$(NOISE)' _build/logs/$(1).log >&2; exit 1; }
	@! grep -q 'Nothing to be done' _build/logs/$(1).log || echo "Everything is up to date."
endef

# An experiment on language does its own stages in order; the others go through Snakemake. WITH adds words to its command:
# make reproduce EXPERIMENT=rlhf_paper SCALE=paper WITH="--model FOLDER --tldr FILE --hh FILE --judge NAME"
LANGUAGE = $(shell grep -s '^language:' $(STUDY))
# What hours of training will cost is said before they begin; a scale for one GPU is estimated there, by the same command.
define REPRODUCE
	$(if $(filter cpu,$(SCALE)),@vgf estimate $(STUDY) --scale $(SCALE) --results $(RESULTS) --no-each)
	$(call snakemake,$(LABEL),experiment=$(STUDY) results=$(RESULTS) $(if $(filter quick,$(SCALE)),,--rerun-triggers mtime) -- reproduce)
	@vgf tables $(LABEL) --results $(RESULTS)
endef

.PHONY: help setup book browser pdf release test test-all soak lint format lock chapter reproduce test-slurm clean distclean
.DEFAULT_GOAL := help

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "  variables   PYTHON=$(PYTHON) SCALE=$(SCALE) (quick, cpu, paper) CORES=$(CORES) WORKERS=$(WORKERS) RESULTS=$(RESULTS) PROFILE=$(PROFILE)"

setup: $(READY) ## .venv from requirements.lock, vgf installed in it

$(READY): requirements.lock pyproject.toml .ci/install.py
	@$(PYTHON) .ci/install.py
	@touch $@

book: $(READY) ## run what is out of date and build the book
	$(call snakemake,book,-- book)
	@echo "Book: file://$(CURDIR)/$(INDEX)"

browser: $(READY) # Chromium for the tests and the PDFs, where there is none
	@python .ci/browser.py

pdf: book browser ## the book as one PDF and each page as one, without TeX
	@bash -c 'source .ci/steps.sh && step "PDFs of the book and its pages" python .ci/pdf.py'
	@echo "PDF: file://$(CURDIR)/_build/pdf/vgf-companion.pdf"

release: pdf ## site, records, PDF, checksums and the archive for a DOI, in _build/release; TAG=vX.Y.Z for a real one
	@python .ci/release.py $(if $(TAG),--tag $(TAG))

test: book browser ## the tests, the built book in a browser included
	@$(PYTEST) -m "not soak"

test-all: book browser ## every test, long repetitions of the same included
	@$(PYTEST)

soak: $(READY) ## up to an hour of kills, mangled files, full disks and shared folders; goes on where it was
	@OMP_NUM_THREADS=1 PYTHONWARNINGS=ignore nice -n 10 python -m tests.soak

lint: $(READY) ## ruff (chapters' cells too), mypy, import-linter, no outputs in git
	@pre-commit run --all-files

format: $(READY) ## rewrite code, chapters' cells too, in the house format
	@ruff check --fix-only --quiet .
	@ruff format --quiet .
	@for chapter in notebooks/*.md; do jupytext --quiet --pipe-fmt ipynb --pipe "ruff format --quiet --stdin-filename $${chapter%.md}.ipynb -" $$chapter; done

lock: $(READY) ## resolve requirements.lock anew
	@python -m uv --version >/dev/null 2>&1 || python -m pip install --quiet uv 2>/dev/null
	@python -m uv pip compile --quiet --upgrade pyproject.toml -o requirements.lock.new
	@{ echo '$(LOCK_HEADER)'; cat requirements.lock.new; } > requirements.lock  # single quotes: the header has backticks
	@rm requirements.lock.new
	@echo "requirements.lock: $$(grep -c == requirements.lock) pins"

chapter: $(READY) ## rerun one chapter and the book with it: make chapter CH=02_mmd_bound
	@test -f "notebooks/$(CH).md" || { echo "chapter: no notebooks/$(CH).md; say CH=one of:" $(basename $(notdir $(wildcard notebooks/*.md))); exit 2; }
	$(call snakemake,book,--forcerun chapter_$(CH) -- book)
	@echo "Chapter: file://$(CURDIR)/_build/html/notebooks/$(CH).html"

reproduce: $(READY) ## one experiment, from data to its table: make reproduce EXPERIMENT=first_run SCALE=quick
	@test -f "$(STUDY)" || { echo "reproduce: no $(STUDY); say EXPERIMENT=one of:" $(basename $(notdir $(wildcard data/experiments/*.yaml))); exit 2; }
	$(if $(LANGUAGE),@vgf rlhf $(if $(findstring latent,$(LANGUAGE)),latent,run) $(STUDY) --scale $(SCALE) --results $(RESULTS) $(WITH),$(REPRODUCE))

test-slurm: $(READY) ## an experiment through a real two-node Slurm on this machine (Debian or Ubuntu, as root)
	@tests/slurm/run

clean: ## remove the built book, executed chapters and figures; datasets and runs stay
	rm -rf _build data/figures notebooks/*.ipynb notebooks/.ipynb_checkpoints .snakemake

distclean: clean ## also remove .venv, caches, regenerated datasets and quick runs
	rm -rf $(VENV) data/cache data/results/*.quick .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .grimp_cache *.egg-info
