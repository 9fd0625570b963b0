#!/usr/bin/env bash
# DVC: a matrix over a parameter that is one value, not a list, ends in "'Value' object is not
# iterable", without the name of the parameter.
set -euo pipefail
cd "$(mktemp -d)"
python3 -m venv venv
venv/bin/pip install --quiet dvc==3.67.1
export PATH="$PWD/venv/bin:$PATH" GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a \
  GIT_COMMITTER_EMAIL=a@b DVC_NO_ANALYTICS=1
mkdir repository && cd repository
git init --quiet && dvc init --quiet
cat > params.yaml <<'EOF'
seeds: [0]
EOF
cat > dvc.yaml <<'EOF'
stages:
  train:
    matrix: {seed: "${seeds}"}
    cmd: echo ${item.seed} > ${item.seed}.txt
    outs: [{"${item.seed}.txt": {cache: false}}]
EOF
git add --all && git commit --quiet --message start
dvc --version
dvc exp run --quiet                              # valid
dvc exp run --quiet --set-param 'seeds=[0,1]'    # valid
git checkout --quiet .
said=$(dvc exp run --set-param seeds=3 2>&1) && { echo "changed: one value is accepted"; exit 1; }
echo "$said"
grep --quiet "'Value' object is not iterable" <<<"$said" || { echo "changed: another message"; exit 1; }
grep --quiet seeds <<<"$said" && { echo "changed: it names the parameter"; exit 1; }
echo "as found: one line that does not name the parameter"
