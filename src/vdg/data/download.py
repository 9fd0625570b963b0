"""Convert a data set from its distributed form to packed files, the pipeline's only input."""

import inspect
import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from vdg.data import folder, market1501
from vdg.data.archive import Archive, locate
from vdg.data.fitting import require_inside
from vdg.data.images import ImageSet
from vdg.data.rendering.archive import ARCHIVE
from vdg.errors import InputError
from vdg.files import Rows, write_bytes
from vdg.keypoints.annotations import check_names, read_keypoints, read_pairs, write_keypoints


def fetch(reader, config: dict, output: Path) -> None:
    """Read a data set and write it to `output` in the form that later stages read.

    reader: module of vdg.data with HELP and `read(archive, *, height, width, names)`; one that can
        resize images also takes `resize`, a filter of `archive.RESIZERS`. Or a renderer, with
        `write_archive`.
    config: the resolved configs/<dataset>/download.json.

    For each official split, "train" and optionally "test", writes <split>.safetensors (an ImageSet)
    and, if the data set has them, annotation-<split>.csv and pairs-test.csv. Names, tables and
    pairs are validated before the first file is written; images are decoded while they are written,
    because a data set may exceed the memory.
    """
    source, size = dict(config["source"]), {k: config[k] for k in ("height", "width")}
    if reader is folder:
        _pack(source, size, output)
        return
    if hasattr(reader, "write_archive"):
        source = _render(reader, source, config["height"], output)
        reader = market1501
    resizing = _resizing(reader, source)
    # first, because its error explains how to get the data set
    path = locate(
        _rooted(source["archive"]), url=source["url"], sha256=source["sha256"], help=reader.HELP
    )
    listed = source["annotations"]
    annotations = {part: _bring(table, "annotations") for part, table in listed.items() if table}
    names = {part: list(read_keypoints(table)) for part, table in annotations.items()}
    pairs = _bring(source["pairs"], "pairs") if source["pairs"] else None

    margin = source.get("margin", 0)
    size["width"] += 2 * margin
    with Archive(path) as archive:
        parts = reader.read(archive, names=names, **size, **resizing)
        for part in annotations.keys() & parts.keys():
            check_names(names[part], set(parts[part].names), f"{annotations[part]}")
        if pairs:
            _check_pairs(pairs, parts.get("test", parts["train"]))

        for part, images in parts.items():
            packed = _without_margins(images, margin)
            packed.save(output / f"{part}.safetensors")
            if part in annotations:
                table = output / f"annotation-{part}.csv"
                _annotate(annotations[part], table, source.get("annotation_size"), packed.size)
    if pairs:
        _copy(pairs, output / "pairs-test.csv")


def _resizing(reader, source: dict) -> dict:
    """The filter for images of another size, for a reader. Raises InputError if it takes none."""
    if (resize := source.get("resize")) is None:
        return {}
    if "resize" not in inspect.signature(reader.read).parameters:
        raise InputError(f"source.resize = {resize!r}: reader {source['reader']} does not resize")
    return {"resize": resize}


def _without_margins(images: ImageSet, margin: int) -> ImageSet:
    """The images without their first and last `margin` columns."""
    count, height, width, _ = images.images.shape
    columns = slice(margin, width - margin)
    shape = (count, height, width - 2 * margin, 3)

    def rows():
        return (image[:, columns] for image in images.images)

    cut = Rows(shape, images.images.dtype, rows)
    return replace(images, images=cut)


def _pack(source: dict, size: dict, output: Path) -> None:
    """Write a folder of images, whose key points are moved to the frame of the packed images."""
    path = locate(_rooted(source["archive"]), url=None, sha256=None, help=folder.HELP)
    given = source["annotations"]
    annotations = None
    if given is not None:  # or a folder of a file per picture
        annotations = _rooted(given) if _rooted(given).is_dir() else _bring(given, "annotations")
    options = {"test_fraction": source["test_fraction"], "seed": source["seed"]}
    with Archive(path) as archive:
        parts = folder.read(archive, annotations=annotations, **size, **options)
        for part, (images, keypoints) in parts.items():
            images.save(output / f"{part}.safetensors")
            if keypoints is not None:
                table = output / f"annotation-{part}.csv"
                write_keypoints(table, keypoints, keypoints.values())
                if missing := len(images) - len(keypoints):
                    print(f"{part}: {missing} images have no key points: left out", file=sys.stderr)


def _check_pairs(path: Path, images: ImageSet) -> None:
    """Raise InputError for a pair with an unknown image or two identities; report duplicates."""
    pairs = read_pairs(path)
    identity = dict(zip(images.names, images.identities, strict=True))
    check_names((name for pair in pairs for name in pair), identity, f"{path}")
    for number, (source, target) in enumerate(pairs, 2):
        if identity[source] != identity[target]:
            raise InputError(
                f"{path}, line {number}: {source} is of {identity[source]}, {target} of "
                f"{identity[target]}: a pair shows one identity; remove it"
            )
    if repeated := len(pairs) - len(set(pairs)):  # DeepFashion's published list has duplicates
        print(f"{path}: {repeated} pairs repeat others and count once more", file=sys.stderr)


def _render(renderer, source: dict, height: int, output: Path) -> dict:
    """Render a data set as an archive in Market-1501's layout; return its `source`."""
    del source["reader"]
    renderer.write_archive(output, height=height, **source)
    folder = output.absolute()
    annotations = {part: str(folder / f"annotation-{part}.csv") for part in ("train", "test")}
    archive = str(folder / ARCHIVE)
    published = {"archive": archive, "annotations": annotations}
    return published | {"pairs": None, "url": None, "sha256": None}


def _rooted(path: str) -> Path:
    """Resolve a path of params.yaml against the repository, also in DVC's temporary copies."""
    return Path(os.environ.get("DVC_ROOT", "."), path)


def _bring(path: str, key: str) -> Path:
    rooted = _rooted(path)
    if not rooted.is_file():
        what = "is a folder" if rooted.is_dir() else "does not exist"
        raise InputError(
            f"{rooted} {what}: put the CSV there that Def-GAN (github.com/"
            "AliaksandrSiarohin/pose-gan) and PATN (github.com/tengteng95/Pose-Transfer) share, or "
            f"point the data set's source.{key} in params.yaml at it (null: none)"
        )
    return rooted


def _annotate(given: Path, target: Path, size: list[int] | None, packed: tuple[int, int]) -> None:
    """Write a table of key points, in pixels of images of `size`, for images of `packed` (H, W)."""
    if size is None:
        _copy(given, target)
        return
    keypoints = read_keypoints(given)
    for name, joints in keypoints.items():
        require_inside(joints, tuple(size), f"{given}: {name}", "source.annotation_size,")
    given_joints = np.array([*keypoints.values()])
    # the middle of a pixel stays where it is in the image
    moved = np.floor((given_joints + 0.5) * np.divide(packed, size))
    write_keypoints(target, keypoints, np.where(given_joints < 0, -1, moved).astype(np.int16))


def _copy(source: Path, target: Path) -> None:
    if source != target.absolute():
        write_bytes(target, source.read_bytes())
