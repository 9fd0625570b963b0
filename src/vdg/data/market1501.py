"""Reader of Market-1501 (Zheng et al., ICCV 2015) and of data sets in its or a similar layout.

Those are DukeMTMC-reID, Occluded-Duke, CUHK03-NP, MSMT17 and MARS, and the folders train/ and test/
that Def-GAN's and PATN's code prepares of Market-1501.
"""

import re
import sys

from vdg.data.archive import Archive
from vdg.data.images import ImageSet
from vdg.data.names import FORMS, identity_of, left_out, parse, reader_of
from vdg.errors import InputError

HELP = (
    "Market-1501 (Zheng et al., Scalable Person Re-identification: A Benchmark, ICCV 2015) may be"
    " used for research; get Market-1501-v15.09.15.zip from the authors' project page and put the"
    " zip or the extracted folder at {path}"
)
# The first layout that occurs is read. Prepared folders lie beside the official ones at times, and
# MSMT17 and MARS have a folder per person in them.
LAYOUTS = (
    re.compile(r"(?:[^/]+/)?bounding_box_(train|test)/(.+)"),
    re.compile(r"(?:[^/]+/)?(?:mask_|bbox_)?(train|test)(?:_v2)?/(?:[^/]+/)?([^/]+)"),
)
SUFFIXES = (".jpg", ".jpeg", ".png")
NUMBERED_APART = "MSMT17"
"""Whose training and test people are both numbered from 0000."""
Members = dict[str, str]
"""Paths in the archive by file name."""


def read(
    archive: Archive,
    *,
    height: int,
    width: int,
    names: dict[str, list[str]] | None = None,
    resize: str | None = None,
) -> dict[str, ImageSet]:
    """Read the splits "train" and, if present, "test", each sorted by image name.

    archive: the zip archive, the extracted folder, or the folder above it.
    height, width: size of each image, in pixels (128, 64). resize: see `Archive.image`; None
        expects images of that size.
    names: ignored, because the layout defines the split.

    Raises InputError for a damaged archive, a missing training split, names of another form or of
    two data sets, and images of another mode or size.
    """
    parts = _splits(archive)
    title = _title(parts, archive)
    apart = title == NUMBERED_APART
    for part, members in parts.items():
        if nobody := left_out(members):
            print(f"{part}: left out, as they show no person: {nobody}", file=sys.stderr)
    return {
        part: ImageSet(
            names=list(members),
            identities=[f"{part}-{who}" if apart else who for who in map(identity_of, members)],
            images=archive.images(
                list(members.values()), height, width, f"read {part}", resize=resize
            ),
        )
        for part, members in parts.items()
        if members
    }


def _splits(archive: Archive) -> dict[str, Members]:
    parts: dict[str, Members] = {"train": {}, "test": {}}
    for layout in LAYOUTS:
        for member in archive.members:
            if match := layout.fullmatch(member):
                _add(parts[match[1]], match[2], member, archive)
        if any(parts.values()):
            break
    if not parts["train"]:
        fitting = reader_of(archive.members) or "give the archive or folder of Market-1501 itself"
        raise InputError(
            f"{archive.root} holds no bounding_box_train/ with images, but {archive.found()}:"
            f" {fitting}"
        )
    return {part: dict(sorted(members.items())) for part, members in parts.items()}


def _add(members: Members, name: str, member: str, archive: Archive) -> None:
    known = parse(name)
    if not (known and known.form.reader == "market1501" and name.lower().endswith(SUFFIXES)):
        fitting = "" if known is None else f" ({reader_of([name])})"
        raise InputError(
            f"{archive.root}: {member} has no Market-1501 name such as 0002_c1s1_000451_03.jpg, nor"
            f" one of {', '.join(form.title for form in FORMS[1:5])}: rename or remove it{fitting}"
        )
    if name in members:
        raise InputError(
            f"{archive.root} holds {name} twice, also as {member}: remove one, or give the folder"
            " of one"
        )
    members[name] = member


def _title(parts: dict[str, Members], archive: Archive) -> str:
    """The data set whose names all images have. Raises InputError for names of two."""
    example: dict[str, str] = {}
    for members in parts.values():
        for name, member in members.items():
            example.setdefault(parse(name).form.title, member)
    if len(example) > 1:
        (one, first), (other, second), *_ = example.items()
        raise InputError(
            f"{archive.root}: {first} has a name of {one}, {second} of {other}, where a number"
            " is another person: give one data set at a time"
        )
    return next(iter(example))
