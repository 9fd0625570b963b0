#!/usr/bin/env bash
# torch 2.14.1: a module that is first imported inside `with torch.device("meta")`, as when a network is built
# without memory, has its constants there, for the life of the process. Guess: whoever uses one with tensors of
# a CPU gets an error. copy_, +, where and item() raise one; fill_, scatter_ and index_put_ write nothing and say
# nothing. It meets metrics whose window is a constant of a module: filled with it, a window stayed zero, and
# SSIM, (0 + C1)(0 + C2) / ((0 + C1)(0 + C2)), was 1 for any two images.
#
# Needs python3 with what torch requires, such as an environment that has torch.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --no-deps --target "$folder/packages" torch==2.14.1
cd "$folder"
echo 'import torch
TAPS = torch.full((3,), 0.5)' > metric.py
cat > try.py <<'PYTHON'
import sys

import torch

with torch.device("meta"):
    import metric

from metric import TAPS  # later, elsewhere

where = torch.arange(3)
tries = {
    "copy_": lambda x: x.copy_(TAPS),
    "+": lambda x: x + TAPS,
    "where": lambda x: torch.where(x > 0, x, TAPS),
    "item": lambda x: TAPS[0].item(),
    "fill_": lambda x: x.fill_(TAPS[0]),
    "scatter_": lambda x: x.scatter_(0, where, TAPS),
    "index_put_": lambda x: x.index_put_((where,), TAPS),
}
seen = {}
for name, attempt in tries.items():
    window = torch.zeros(3)
    try:
        attempt(window)
        seen[name] = f"no error, {window.tolist()}"
    except (NotImplementedError, RuntimeError) as error:
        seen[name] = type(error).__name__
assert torch.__file__.startswith(sys.argv[1]), "not the torch that was installed here"
print(f"torch {torch.__version__}: the constant is on {TAPS.device}")
for name, what in seen.items():
    print(f"  {name}: {what}")
silent = [name for name, what in seen.items() if what == "no error, [0.0, 0.0, 0.0]"]
sys.exit(0 if TAPS.is_meta and silent == ["fill_", "scatter_", "index_put_"] else "changed")
PYTHON
PYTHONPATH="$folder/packages" python3 try.py "$folder"
echo "as found: three of seven uses write nothing and raise nothing"
