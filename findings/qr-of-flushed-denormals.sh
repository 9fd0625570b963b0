#!/usr/bin/env bash
# numpy 2.4.6's QR (OpenBLAS) of a finite matrix has nan in it after torch.set_flush_denormal(True), which
# the CPU then does for that thread's arithmetic, LAPACK's too, but not for OpenBLAS's other threads. It meets
# FID: features of one image repeated, such as the mean image's, differ by rounding alone, the reflections
# divide by what is left of them, and the SVD of the factor "did not converge". Without flushing, and with
# one thread, every entry is finite.
#
# Needs python3 with torch, on two cores of an x86-64 CPU.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m pip install --quiet --no-deps --target "$folder/numpy" numpy==2.4.6
cd "$folder"
cat > try.py <<'PYTHON'
import sys

import numpy as np
import torch

rng = np.random.default_rng(0)
one = rng.random(1280, dtype=np.float32)
other = one * (1 + np.float32(1e-6) * rng.standard_normal(1280, dtype=np.float32))
features = np.where(np.arange(2000)[:, None] % 50 < 48, one, other).astype(np.float64)
centred = features - features.mean(0)
found = []
for flush in (False, True):
    torch.set_flush_denormal(flush)
    found.append(int((~np.isfinite(np.linalg.qr(centred, mode="r"))).sum()))
print(f"numpy {np.__version__}, torch {torch.__version__}, OpenBLAS threads: {sys.argv[1]}; entries that are")
print(f"not finite: {found[0]}, with torch.set_flush_denormal(True): {found[1]}")
sys.exit(0 if found[0] == 0 and (found[1] > 0) == (sys.argv[1] == "2") else "changed")
PYTHON
for threads in 1 2; do OPENBLAS_NUM_THREADS=$threads PYTHONPATH=numpy python3 try.py $threads; done
echo "as found: the factor is nan where denormals are flushed in one of two threads"
