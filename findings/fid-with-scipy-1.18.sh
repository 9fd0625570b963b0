#!/usr/bin/env bash
# pytorch-fid 0.3.0, its newest version, and clean-fid 0.1.35 compute no FID with scipy 1.18: both call
# scipy.linalg.sqrtm(..., disp=False), an argument that scipy 1.18 has no more. Neither bounds scipy from
# above, so that a fresh pip install of either ends there. Statistics of any features show it.
#
# Needs python3 (3.12 or newer, as scipy 1.18 does) with torch and torchvision.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
for scipy in 1.17.1 1.18.1; do
  python3 -m pip install --quiet --no-deps --target "$folder/$scipy" "scipy==$scipy"
done
python3 -m pip install --quiet --no-deps --target "$folder/fid" pytorch-fid==0.3.0 clean-fid==0.1.35
cd "$folder"
cat > try.py <<'PYTHON'
import numpy as np
import scipy
from cleanfid.fid import frechet_distance
from pytorch_fid.fid_score import calculate_frechet_distance

features = np.random.default_rng(0).normal(size=(2, 500, 8))
features[1] += 0.5
statistics = [x for f in features for x in (f.mean(0), np.cov(f, rowvar=False))]
for name, fid in (("pytorch-fid", calculate_frechet_distance), ("clean-fid", frechet_distance)):
    try:
        print(f"scipy {scipy.__version__}, {name}: {fid(*statistics):.4f}")
    except TypeError as error:
        print(f"scipy {scipy.__version__}, {name}: {error}")
PYTHON
said="$(for scipy in 1.17.1 1.18.1; do PYTHONPATH="$scipy:fid" python3 -W ignore try.py; done)"
echo "$said"
[ "$(grep -c '1.17.1, .*: [0-9.]*$' <<< "$said")" = 2 ] || { echo "changed: scipy 1.17.1 fails, too"; exit 1; }
[ "$(grep -c "1.18.1, .*'disp'" <<< "$said")" = 2 ] || { echo "changed: scipy 1.18.1 works"; exit 1; }
echo "as found: both need scipy below 1.18"
