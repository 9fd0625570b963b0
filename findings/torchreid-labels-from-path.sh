#!/bin/sh
# torchreid 0.2.5 (PyPI), class Market1501: the labels of an image are searched in its whole path, so
# that a folder above the data set, such as exp7_c2, decides them. It also reads one digit of the
# camera, and of files it sees *.jpg alone. Reads valid files with Market-1501's names.
#
# Needs python3 with torch, torchvision, numpy, scipy, pillow, matplotlib, tqdm, h5py and requests;
# torchreid and what else it imports are installed into a temporary folder.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m pip install --quiet --no-deps --target "$work/packages" torchreid==0.2.5 \
    gdown==6.5.1 beautifulsoup4==4.15.0 soupsieve==4.1.3 opencv-python-headless==5.0.0.93 \
    tensorboard==2.21.0 absl-py==2.5.1 grpcio==1.85.3 werkzeug==3.1.9
cd "$work"
PYTHONPATH="$work/packages" python3 -W ignore - <<'PYTHON'
import sys
from importlib.metadata import version
from pathlib import Path

from PIL import Image
from torchreid.reid.data.datasets.image.market1501 import Market1501


def labels(above, names):
    """(identity, camera) of the query images, as torchreid reads them."""
    root = Path(above, "market1501", "Market-1501-v15.09.15")
    for part in ("bounding_box_train", "query", "bounding_box_test"):
        (root / part).mkdir(parents=True)
        for name in names:
            Image.new("RGB", (64, 128)).save(root / part / name)
    return sorted(row[1:3] for row in Market1501(root=above, verbose=False).query)


names = ["0002_c1s1_000451_03.jpg", "0007_c3s1_000451_03.jpg"]
print("torchreid", version("torchreid"))
plain, inside = labels("plain", names), labels("exp7_c2", names)
ten = labels("ten", [*names, "0009_c10s1_000451_03.jpg", "0011_c1s1_000451_03.png"])
print("identity and camera (from 0) of 0002 of camera 1 and 0007 of camera 3:", plain)
print("the same files below a folder exp7_c2:", inside)
print("with 0009 of camera 10, and a PNG of 0011:", ten)
same = plain == [(2, 0), (7, 2)] and inside == [(7, 1), (7, 1)] and ten == [*plain, (9, 0)]
sys.exit(0 if same else "its behaviour has changed")
PYTHON
