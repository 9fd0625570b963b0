"""Write rendered people as a data set in Market-1501's layout."""

import contextlib
import functools
import io
import itertools
import multiprocessing
import os
import zipfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from vdg.data.rendering.crops import Picture
from vdg.data.silhouettes import write_silhouettes
from vdg.errors import InputError
from vdg.files import replacing
from vdg.keypoints.annotations import write_keypoints

Renderer = Callable[[int, int, int, int], Picture]
"""Render (identity, view, height, seed); a function of a module, which other processes import."""
ARCHIVE = "people.zip"
WORTH_A_PROCESS = 200  # minimum number of crops per process


def write_archive(
    folder: Path,
    render: Renderer,
    *,
    height: int,
    train_identities: int,
    test_identities: int,
    views: int,
    seed: int,
) -> None:
    """Render the data set and write it under `folder` in the form of a real data set.

    people.zip: PNG crops of height x height // 2 pixels in Market-1501's layout. Training
        identities have odd numbers and test identities even ones, so that changing the count of one
        split leaves the other unchanged.
    annotation-train.csv, annotation-test.csv: key points, as vdg.keypoints.annotations
        reads them.
    silhouettes-train.safetensors, silhouettes-test.safetensors: the silhouette of each person.

    Raises InputError for a height below 32 or not a multiple of 4, a count below 1, and a negative
    seed.
    """
    settings = {"train_identities": train_identities, "test_identities": test_identities}
    for name, value in (settings | {"views": views}).items():
        if value < 1:
            raise InputError(f"{name} is {value}: the renderer needs at least 1")
    if height < 32 or height % 4:
        raise InputError(f"height is {height}: the renderer needs a multiple of 4 from 32")
    if seed < 0:
        raise InputError(f"seed is {seed}: the renderer needs 0 or more")

    folder = Path(folder)
    total = (train_identities + test_identities) * views
    with (
        replacing(folder / ARCHIVE) as temporary,
        zipfile.ZipFile(temporary, "w") as archive,
        tqdm(total=total, desc="render", unit=" pictures", disable=None) as progress,
        _in_parallel(total) as each,
    ):
        for first, (part, count) in enumerate(
            [("train", train_identities), ("test", test_identities)], start=1
        ):
            drawn = {}
            wanted = list(itertools.product(range(first, 2 * count + 1, 2), range(views)))
            pictures = each(functools.partial(_render, render, height=height, seed=seed), wanted)
            for (identity, view), (picture, png) in zip(wanted, pictures, strict=True):
                take = f"c{picture.camera}s{picture.sequence}"
                name = f"{identity:04d}_{take}_{151 + 25 * view:06d}_00.png"
                drawn[name] = picture, png
                progress.update()
            names = sorted(drawn)
            for name in names:
                entry = zipfile.ZipInfo(f"bounding_box_{part}/{name}")  # fixed date, 1980
                entry.create_system = 3  # equal bytes on every operating system
                entry.external_attr = 0o644 << 16
                archive.writestr(entry, drawn[name][1])
            keypoints = [drawn[name][0].keypoints for name in names]
            write_keypoints(folder / f"annotation-{part}.csv", names, keypoints)
            silhouettes = np.stack([drawn[name][0].silhouette for name in names])
            write_silhouettes(folder / f"silhouettes-{part}.safetensors", names, silhouettes)


def _render(
    render: Renderer, wanted: tuple[int, int], height: int, seed: int
) -> tuple[Picture, bytes]:
    """A picture, and its image as PNG."""
    picture, png = render(*wanted, height, seed), io.BytesIO()
    Image.fromarray(picture.image).save(png, "PNG")
    return picture, png.getvalue()


@contextlib.contextmanager
def _in_parallel(count: int):
    """Yield an order-preserving `map`, parallel if `count` crops are worth several processes."""
    workers = min(os.cpu_count() or 1, count // WORTH_A_PROCESS)
    if workers < 2:
        yield map
        return
    context = multiprocessing.get_context("forkserver")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        yield functools.partial(pool.map, chunksize=8)
