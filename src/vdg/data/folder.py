"""Reader of a folder of one's own people: images of any size, split by identity.

Either each identity has a folder, FOLDER/anna/01.jpg, or all images lie in one folder and their
names begin with the identity, FOLDER/0002_c1s1_000451_03.jpg, as in Market-1501 (vdg.data.names).
"""

import re
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from vdg.clutter import composed
from vdg.data.archive import Archive
from vdg.data.fitting import letter_box
from vdg.data.images import ImageSet
from vdg.data.names import (
    SUFFIXES,
    cameras,
    identity_of,
    left_out,
    parse,
    reader_of,
    splits,
)
from vdg.errors import InputError
from vdg.files import Rows
from vdg.keypoints.by_picture import ByPicture

HELP = (
    "put your images there, a folder per person with two images or more of each, such as"
    " {path}/anna/01.jpg"
)
NOTES = (".csv", ".json", ".md", ".txt")  # files that may lie beside images
SEPARATORS = re.compile(r"[:,\r\n]")  # of the CSV files of key points and of pairs
FEWEST_PAIRS = 10  # of the test split: the ten splits of IS need one image each
Keypoints = dict[str, np.ndarray]


@dataclass(frozen=True)
class Photo:
    """One image. member: its path in the folder; name: the same in one word, anna_01.jpg."""

    identity: str
    member: str

    @property
    def name(self) -> str:
        return self.member.replace("/", "_")


def read(
    archive: Archive,
    *,
    height: int,
    width: int,
    annotations: Path | None,
    test_fraction: float,
    seed: int,
) -> dict[str, tuple[ImageSet, Keypoints | None]]:
    """Read the splits "train" and "test": images and, if annotated, their key points by name.

    Images are scaled to fit into height x width, and their edge pixels fill the rest; key points
    move along, and are known once the images have been read, which saving them does.

    archive: the folder, or a zip archive of it. annotations: key points of any tool by path in
    the folder, in pixels of the original images or of a canvas that the file names; None: none.
    test_fraction: of the identities, drawn with `seed`; at least one is in each split.

    Raises InputError for a folder without two identities of two images each, for images that
    cannot be read, and for annotations that do not fit.
    """
    photos = listing(archive)
    check(photos, archive)
    given = None if annotations is None else annotated(annotations, archive)
    held_out = split([photo.identity for photo in photos], test_fraction, seed)
    parts = {
        "train": [photo for photo in photos if photo.identity not in held_out],
        "test": [photo for photo in photos if photo.identity in held_out],
    }
    _check_pairs(parts["test"], archive.root)
    return {
        part: _read(archive, chosen, (height, width), given, f"read {part}")
        for part, chosen in parts.items()
    }


def listing(archive: Archive) -> list[Photo]:
    """The images of a folder, sorted by path, without those of nobody, which a line counts.

    Raises InputError for other files, for images whose place or name gives no identity, and for
    folders that are splits or cameras of a data set and no people.
    """
    members = [name for name in archive.members if not name.lower().endswith(NOTES)]
    _check_folders(members, archive)
    for member in members:
        if not member.lower().endswith(SUFFIXES):
            raise InputError(
                f"{archive.root}: {member} is no image that can be read "
                f"({', '.join(SUFFIXES)}): convert or remove it"
            )
    if not members:
        raise InputError(f"{archive.root} holds no images: {_help(archive)}")
    # a zip of a folder, and a folder above it, begin with its name
    top = members[0].split("/")[0] + "/"
    if all(member.startswith(top) and member.count("/") == 2 for member in members):
        raise InputError(
            f"{archive.root} holds the folder {top} alone: give that folder, or a zip of what it "
            "holds"
        )
    photos = [_photo(member, archive) for member in members]
    if len({member.count("/") for member in members}) > 1:
        raise InputError(
            f"{archive.root} holds images beside folders of images: give each identity a folder"
        )
    _check_numbers(members, archive)
    if nobody := left_out(members):
        print(f"{archive.root}: left out, as they show no person: {nobody}", file=sys.stderr)
    return [photo for photo in photos if photo.identity]


def _check_folders(members: list[str], archive: Archive) -> None:
    """Raise InputError if folders are no people but parts of a data set, or its cameras."""
    root, fitting = archive.root, reader_of(members)
    if found := splits(members):
        first = next((name for name in found if "train" in name.lower()), found[0])
        inside = next(member for member in members if first in member.split("/")[:-1])
        parts = inside.split("/")
        one = "/".join([str(root), *parts[: parts.index(first) + 1]])
        raise InputError(
            f"{root}: the splits of a data set are no people ({', '.join(found)}): give the "
            f"folders of all people side by side, or one split, such as {one}"
            + (f"; {fitting}" if fitting else "")
        )
    if found := cameras(members):
        raise InputError(
            f"{root}: folders named as cameras are no people ({', '.join(found)}): give each "
            "person a folder, or put all images into one, with names that begin with the person"
        )
    if any(member.count("/") > 1 for member in members) and "DeepFashion" in fitting:
        raise InputError(f"{root}: {fitting}")


def _check_numbers(members: list[str], archive: Archive) -> None:
    """Raise InputError if the images' own names contradict that a folder is one person.

    So do numbers of two data sets in one folder of images.
    """
    seen: dict[str, set[tuple[str, str]]] = {}
    for member in members:
        folder, _, file = member.rpartition("/")
        if (known := parse(file)) and not known.nobody:
            seen.setdefault(folder, set()).add((known.form.title, known.identity))
    for folder, found in seen.items():
        people = sorted({identity for _, identity in found})
        titles = sorted({title for title, _ in found})
        if folder and len(people) > 1:
            raise InputError(
                f"{archive.root}: {folder} is no person: by the images' names it holds "
                f"{len(people)}, {', '.join(people[:3])}{', ...' if people[3:] else ''}: give "
                f"{archive.root}/{folder} itself, or each person a folder"
            )
        if not folder and len(titles) > 1:
            raise InputError(
                f"{archive.root} mixes names of {' and '.join(titles)}, where a number is another "
                "person: give one data set at a time"
            )


def _photo(member: str, archive: Archive) -> Photo:
    folder, _, file = member.rpartition("/")
    _check_name(member, archive)
    if folder:
        if "/" in folder:
            raise InputError(
                f"{archive.root}: {member} lies too deep: {_help(archive)}, without folders inside"
            )
        return Photo(identity_of(member), member)
    if parse(file) is None and not re.match("[^_]+_", file):
        raise InputError(
            f"{archive.root}: {member} names no identity, as 0002_01.jpg does: {_help(archive)}"
        )
    return Photo(identity_of(member), member)


def _check_name(member: str, archive: Archive) -> None:
    """Raise InputError for a path that a CSV of key points or pairs cannot hold."""
    if SEPARATORS.search(member):
        raise InputError(
            f"{archive.root}: {member!r} has a colon, comma or line break in its name: rename it"
        )
    try:
        member.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{archive.root}: {member!r} is not named in UTF-8: rename it") from error


def _help(archive: Archive) -> str:
    return HELP.replace("{path}", str(archive.root))


def check(photos: list[Photo], archive: Archive) -> None:
    """Raise InputError for fewer than two identities, an identity with one image, equal names.

    Names that differ in their suffix alone are equal, because generated images have none.
    """
    members: dict[str, str] = {}
    count: dict[str, int] = {}
    for photo in photos:
        stem = Path(photo.name).stem
        if stem in members:
            raise InputError(
                f"{archive.root}: {members[stem]} and {photo.member} have one name in the data "
                f"set, {stem} without a suffix: rename one"
            )
        members[stem] = photo.member
        count[photo.identity] = count.get(photo.identity, 0) + 1
    if len(count) < 2:
        who = f"only {next(iter(count))}" if count else "nobody with an identity"
        raise InputError(
            f"{archive.root} shows {who}: training and test need one identity each, so add another"
        )
    for identity, images in count.items():
        if images < 2:
            raise InputError(
                f"{archive.root}: {identity} has a single image, which makes no pair: add another "
                "or remove it"
            )


def split(identities: list[str], fraction: float, seed: int) -> set[str]:
    """The identities of the test split: a fraction of them, drawn with a seed; 1 or more."""
    ordered = sorted(set(identities))
    count = min(max(1, round(fraction * len(ordered))), len(ordered) - 1)
    order = np.random.default_rng(seed).permutation(len(ordered))
    return {ordered[index] for index in order[:count]}


def _check_pairs(photos: list[Photo], root: Path) -> None:
    counts = np.unique([photo.identity for photo in photos], return_counts=True)[1]
    pairs = int((counts * (counts - 1)).sum())
    if pairs < FEWEST_PAIRS:
        raise InputError(
            f"{root}: the test split has {len(counts)} identities and {pairs} pairs of images, and "
            f"scores need {FEWEST_PAIRS}: add images, or raise source.test_fraction"
        )


def annotated(path: Path, archive: Archive) -> ByPicture:
    """The annotated key points of photos by path in the folder; see vdg.keypoints.by_picture.

    Raises InputError for a row of no image, and two rows of one.
    """
    given = ByPicture(path)
    given.rename(archive.members, composed)
    return given


def _read(
    archive: Archive, photos: list[Photo], size: tuple[int, int], given: ByPicture | None, what: str
) -> tuple[ImageSet, Keypoints | None]:
    placed: Keypoints = {}

    def rows():
        for photo in tqdm(photos, desc=what, unit="image", disable=None):
            picture = archive.picture(photo.member)
            image, frame = letter_box(picture, size)
            if given is not None and photo.member in given:
                joints = given.joints(photo.member, (picture.height, picture.width))
                placed[photo.name] = frame.place(joints)
            yield image
        if given is not None:
            given.say_beyond()

    images = Rows((len(photos), *size, 3), np.dtype(np.uint8), rows)
    names, identities = ([getattr(p, key) for p in photos] for key in ("name", "identity"))
    return ImageSet(names, identities, images), None if given is None else placed
