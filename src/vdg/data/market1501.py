"""Market-1501 in its official layout (Zheng et al., ICCV 2015)."""

import re
from pathlib import Path

from vdg.data.archive import Archive
from vdg.data.images import ImageSet
from vdg.errors import InputError

HELP = (
    "Market-1501 (Zheng et al., Scalable Person Re-identification: A Benchmark, ICCV 2015) may be"
    " used for research; get Market-1501-v15.09.15.zip from the authors' project page and put the"
    " zip or the extracted folder at {path}"
)
JUNK = ("-1", "0000")
MEMBER = re.compile(r"(?:[^/]+/)?bounding_box_(train|test)/(.+)")
# identity (-1: junk, 0000: distractor), camera, sequence, frame, box; some names end .jpg.jpg
NAME = re.compile(r"(-1|\d{4,})_c\d+s\d+_\d+_\d+(\.jpg|\.jpeg|\.png)+")


def read(
    root: Path, *, height: int, width: int, names: dict[str, list[str]] | None = None
) -> dict[str, ImageSet]:
    """Read the parts "train" and, where present, "test", sorted by name.

    root: the zip archive or the extracted folder, or the folder above it.
    height, width: expected size of each picture, in pixels (128, 64).
    names: ignored, because the layout fixes the split.

    Raises InputError for a damaged archive, a missing training part, and names or pictures of
    another form.
    """
    parts = {"train": {}, "test": {}}
    with Archive(root) as archive:
        for member in archive.members:
            if match := MEMBER.fullmatch(member):
                _add(parts[match[1]], match[2], member, archive)
        if not parts["train"]:
            raise InputError(
                f"{root} holds no bounding_box_train/ with images, but {archive.found()}:"
                " give the archive or folder of Market-1501 itself"
            )
        return {
            part: ImageSet(
                names=list(members),
                identities=[identity_of(name) for name in members],
                images=archive.images(list(members.values()), height, width, f"read {part}"),
            )
            for part, members in parts.items()
            if members
        }


def identity_of(name: str) -> str:
    """What stands before the first underscore; "" for false detections and distractors."""
    number = name.split("_")[0]
    return "" if number in JUNK else number


def _add(members, name, member, archive):
    if not NAME.fullmatch(name):
        raise InputError(
            f"{archive.root}: {member} has no Market-1501 name such as 0002_c1s1_000451_03.jpg:"
            " rename or remove it"
        )
    if name in members:
        raise InputError(f"{archive.root} holds {name} twice, also as {member}: remove one")
    members[name] = member
