"""From a data set as it ships to packed files: whatever enters the pipeline enters here."""

import os
import sys
from pathlib import Path

from vdg.data import market1501, synthetic
from vdg.data.annotations import check_names, read_keypoints, read_pairs
from vdg.data.archive import locate
from vdg.data.images import ImageSet
from vdg.errors import InputError
from vdg.files import write_bytes


def fetch(reader, config: dict, output: Path) -> None:
    """Read a data set and write to `output` what later stages need of it.

    reader: module of vdg.data with HELP and `read(root, *, height, width, names)`.
    config: the resolved configs/<dataset>/download.json.

    Writes <part>.safetensors (an ImageSet) for each part, "train" and perhaps "test", and
    annotation-<part>.csv and pairs-test.csv where the data set has them. Everything is validated
    before anything is written.
    """
    source, size = dict(config["source"]), {k: config[k] for k in ("height", "width")}
    if reader is synthetic:
        source = _render(source, config["height"], output)
        reader = market1501
    # first, because its error says what the data set is and where to get it
    archive = locate(
        _rooted(source["archive"]), url=source["url"], sha256=source["sha256"], help=reader.HELP
    )
    listed = source["annotations"]
    annotations = {part: _bring(path, "annotations") for part, path in listed.items() if path}
    names = {part: list(read_keypoints(path)) for part, path in annotations.items()}
    pairs = _bring(source["pairs"], "pairs") if source["pairs"] else None

    parts = reader.read(archive, names=names, **size)
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


def _check_pairs(path: Path, images: ImageSet) -> None:
    """Raise InputError for a pair of unknown pictures, or of two people; say what is repeated."""
    pairs = read_pairs(path)
    identity = dict(zip(images.names, images.identities, strict=True))
    check_names((name for pair in pairs for name in pair), identity, f"{path}")
    for number, (source, target) in enumerate(pairs, 2):
        if identity[source] != identity[target]:
            raise InputError(
                f"{path}, line {number}: {source} is of {identity[source]}, {target} of "
                f"{identity[target]}: a pair shows one identity; remove it"
            )
    if repeated := len(pairs) - len(set(pairs)):  # DeepFashion's published list has some
        print(f"{path}: {repeated} pairs repeat others and count once more", file=sys.stderr)


def _render(source: dict, height: int, output: Path) -> dict:
    """Render the embedded data set into an archive like Market-1501's; return its whereabouts."""
    del source["reader"]
    synthetic.write_archive(output, height=height, **source)
    folder = output.absolute()
    annotations = {part: str(folder / f"annotation-{part}.csv") for part in ("train", "test")}
    archive = str(folder / "synthetic.zip")
    published = {"archive": archive, "annotations": annotations}
    return published | {"pairs": None, "url": None, "sha256": None}


def _rooted(path: str) -> Path:
    """Paths in params.yaml start at the repository, also in DVC's temporary copies of it."""
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
