.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

.PHONY: help setup repro test lint bench clean

help:  ## show this help
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

setup: $(VENV)/installed  ## create .venv and install requirements.txt

$(VENV)/installed: requirements.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "error: Python 3.11 or newer is needed: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --requirement requirements.txt
	touch $@

repro: setup  ## run the whole pipeline and print the results table
	@git rev-parse --verify --quiet HEAD >/dev/null || { \
	  echo 'error: DVC needs a git repository with a commit: clone the project, or run git init, git add -A, git commit' >&2; exit 1; }
	dvc repro
	@python -m stages.ablation_table --show

test: setup  ## run the test suite
	python -m pytest

bench: setup  ## time SSIM against scikit-image
	python -m bench.ssim

lint: setup  ## check style
	ruff check .
	ruff format --check .

clean:  ## delete what the pipeline made (DVC's cache is kept)
	rm -rf configs data losses models scores .scratch
