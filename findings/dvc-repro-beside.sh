#!/usr/bin/env bash
# DVC 3.67.1: while `dvc repro train@a` runs, `dvc repro train@b` of the same workspace stops at the stage
# that both depend on, although that stage is up to date and would not run: it locks the stage's outputs
# for writing before it looks whether there is anything to do, and the running one reads them. With
# `--single-item` (-s), which leaves the stages before it alone, both run side by side.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet dvc==3.67.1
export PATH="$folder/env/bin:$PATH" DVC_NO_ANALYTICS=1
mkdir work && cd work
git init --quiet .
dvc init --quiet
cat > dvc.yaml <<'YAML'
stages:
  prepare:
    cmd: echo data > data.txt
    outs: [data.txt]
  train:
    matrix:
      run: [a, b]
    cmd: while [ -e hold-${item.run} ]; do sleep 0.2; done; cp data.txt ${item.run}.txt
    deps: [data.txt]
    outs: ["${item.run}.txt"]
YAML
dvc repro --quiet prepare
touch hold-a
dvc repro --quiet train@a &
first=$!
trap 'rm -f hold-a; wait $first || true; rm -rf "$folder"' EXIT
until grep -q data.txt .dvc/tmp/rwlock 2>/dev/null; do sleep 0.2; done

echo "dvc $(dvc --version): train@a runs, prepare is up to date"
whole="$(dvc repro train@b 2>&1)" && status=0 || status=$?
echo "dvc repro train@b: exit $status; $(grep -m1 'failed to reproduce' <<< "$whole" || true)"
dvc repro --quiet --single-item train@b && single=0 || single=$?
echo "dvc repro -s train@b: exit $single; b.txt: $(cat b.txt)"
[ "$single" = 0 ] || { echo "changed: -s fails, too"; exit 1; }
[ "$status" != 0 ] || { echo "changed: both run side by side"; exit 1; }
grep -q "'prepare'.*busy" <<< "$whole" || { echo "changed: it stops elsewhere"; exit 1; }
echo "as found: the stage that is up to date is the one that is busy"
