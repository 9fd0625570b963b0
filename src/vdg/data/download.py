"""Convert a data set from its distributed form to packed files, the pipeline's only input."""

import inspect
import os
import sys
from dataclasses import replace
from pathlib import Path

from vdg.data import folder, market1501
from vdg.data.archive import locate
from vdg.data.images import ImageSet
from vdg.data.rendering.archive import ARCHIVE
from vdg.errors import InputError
from vdg.files import write_bytes
from vdg.keypoints.annotations import check_names, read_keypoints, read_pairs, write_keypoints


def fetch(reader, config: dict, output: Path) -> None:
    """Read a data set and write it to `output` in the form that later stages read.

    reader: module of vdg.data with HELP and `read(root, *, height, width, names)`; one that can
        resize images also takes `resize`, a filter of `archive.RESIZERS`. Or a renderer, with
        `write_archive`.
    config: the resolved configs/<dataset>/download.json.

    For each official split, "train" and optionally "test", writes <split>.safetensors (an ImageSet)
    and, if the data set has them, annotation-<split>.csv and pairs-test.csv. All inputs are
    validated before the first file is written.
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
    archive = locate(
        _rooted(source["archive"]), url=source["url"], sha256=source["sha256"], help=reader.HELP
    )
    listed = source["annotations"]
    annotations = {part: _bring(path, "annotations") for part, path in listed.items() if path}
    names = {part: list(read_keypoints(path)) for part, path in annotations.items()}
    pairs = _bring(source["pairs"], "pairs") if source["pairs"] else None

    margin = source.get("margin", 0)
    parts = reader.read(
        archive, names=names, height=size["height"], width=size["width"] + 2 * margin, **resizing
    )
    if margin:
        parts = {part: _without_margins(images, margin) for part, images in parts.items()}
    for part in annotations.keys() & parts.keys():
        check_names(names[part], set(parts[part].names), f"{annotations[part]}")
    if pairs:
        _check_pairs(pairs, parts.get("test", parts["train"]))

    for part, images in parts.items():
        images.save(output / f"{part}.safetensors")
        if part in annotations:
            _copy(annotations[part], output / f"annotation-{part}.csv")
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
    return replace(images, images=images.images[:, :, margin:-margin])


def _pack(source: dict, size: dict, output: Path) -> None:
    """Write a folder of images, whose key points are moved to the frame of the packed images."""
    root = locate(_rooted(source["archive"]), url=None, sha256=None, help=folder.HELP)
    given = source["annotations"]
    annotations = None
    if given is not None:  # or a folder of a file per picture
        annotations = _rooted(given) if _rooted(given).is_dir() else _bring(given, "annotations")
    options = {"test_fraction": source["test_fraction"], "seed": source["seed"]}
    parts = folder.read(root, annotations=annotations, **size, **options)
    for part, (images, keypoints) in parts.items():
        images.save(output / f"{part}.safetensors")
        if keypoints is not None:
            write_keypoints(output / f"annotation-{part}.csv", keypoints, keypoints.values())
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


def _copy(source: Path, target: Path) -> None:
    if source != target.absolute():
        write_bytes(target, source.read_bytes())
