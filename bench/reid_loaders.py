"""How many generated images the loaders of torchreid and fast-reid see, and which labels they read.

Run as `python bench/reid_loaders.py FOLDER` with what `vdg augment` wrote, in an environment of its
own with torchreid 0.2.5 and fastreid 1.4.0 from PyPI and what they import; it needs no code of this
project. The class `Generated` is the one that docs/own-images.md shows.
"""

import argparse
import collections
import collections.abc
import contextlib
import io
import re
import shutil
import sys
import tempfile
import types
import warnings
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs" / "own-images.md"


def mend_fastreid() -> None:
    """Put back what fastreid 1.4.0 imports and Python 3.10 and torch 2 have removed."""
    for name in ("Mapping", "Sequence", "Iterable"):
        setattr(collections, name, getattr(collections.abc, name))
    six = types.SimpleNamespace(string_classes=(str, bytes), int_classes=int)
    sys.modules["torch._six"] = six


def documented_class():
    """The class `Generated` of the docs."""
    blocks = re.findall(r"```python\n(.*?)```", DOCS.read_text("utf-8"), re.DOTALL)
    (code,) = (block for block in blocks if "class Generated" in block)
    space: dict = {}
    exec(code.partition("\ndata.register")[0], space)
    return space["Generated"]


def loaders(root: Path):
    """Yield each loader's name and a function that returns its training images."""
    from fastreid.data.datasets.market1501 import Market1501 as FastReid
    from torchreid.reid.data.datasets.image.dukemtmcreid import DukeMTMCreID
    from torchreid.reid.data.datasets.image.market1501 import Market1501

    yield "torchreid Market1501", lambda: Market1501(root=str(root), verbose=False).train
    yield "torchreid DukeMTMCreID", lambda: DukeMTMCreID(root=str(root), verbose=False).train
    yield "fastreid Market1501", lambda: FastReid(root=str(root / "market1501")).data
    yield "docs' Generated", lambda: documented_class()(root=str(root), verbose=False).train


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    files = [path for path in folder.iterdir() if path.is_file()]
    people = {path.name.split("_")[0] for path in files}
    cameras = {path.name.split("_c")[1].split("s")[0] for path in files}
    print(f"written: {len(files)} images, {len(people)} identities, {len(cameras)} cameras")
    mend_fastreid()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        for place in ("market1501/Market-1501-v15.09.15", "dukemtmc-reid/DukeMTMC-reID"):
            for other in ("query", "bounding_box_test"):  # torchreid refuses empty ones
                (root / place / other).mkdir(parents=True)
                shutil.copy(files[0], root / place / other / "0001_c1s1_000001_00.jpg")
            shutil.copytree(folder, root / place / "bounding_box_train")
        shutil.copytree(folder, root / "generated")
        for name, load in loaders(root):
            try:
                with contextlib.redirect_stdout(io.StringIO()):
                    seen = load()
            except Exception as error:  # whatever they raise is the result
                print(f"{name}: {type(error).__name__} {error}")
                continue
            people, cameras = ({row[column] for row in seen} for column in (1, 2))
            print(f"{name}: {len(seen)} images, {len(people)} identities, {len(cameras)} cameras")


if __name__ == "__main__":
    main()
