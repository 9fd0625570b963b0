"""Whom an image shows: one rule for the names of files and folders.

A folder per person is named by its person. In one folder of images, names begin with the identity:
as far as a data set's form (FORMS) says, else as far as the first underscore. NOBODY is never a
person; 0000 is one unless the form says otherwise.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")
NOBODY = frozenset({"-1", "00-1"})
"""False detections: in the names of Market-1501 and its successors, and of MARS."""
DISTRACTORS = NOBODY | {"0000"}


@dataclass(frozen=True)
class Form:
    """The form of a data set's file names.

    pattern: of a name without suffix, with the group `identity` and, where it says so, `camera`.
    nobody: identities of false detections and distractors. reader: that reads the data set.
    """

    title: str
    pattern: re.Pattern
    nobody: frozenset[str] = NOBODY
    reader: str = "market1501"


def _form(title: str, pattern: str, *more) -> Form:
    return Form(title, re.compile(pattern, re.ASCII), *more)


FORMS = (
    _form(  # identity, camera, sequence, frame, box
        "Market-1501",
        r"(?P<identity>-1|\d{4,})_c(?P<camera>\d+)s(?P<sequence>\d+)_\d+_\d+",
        DISTRACTORS,
    ),
    _form("DukeMTMC-reID", r"(?P<identity>-1|\d{4,})_c(?P<camera>\d+)_f\d+"),  # Occluded-Duke, too
    _form("CUHK03-NP", r"(?P<identity>-1|\d{4,})_c(?P<camera>\d+)_\d+"),
    # pair of cameras, person of that pair, camera, image
    _form("CUHK03", r"(?P<identity>[1-5]_\d{3})_(?P<camera>[12])_\d{2}"),
    # identity, image, camera, date, time, track; some end in _ex
    _form(
        "MSMT17", r"(?P<identity>\d{4,})_\d{3,}_(?P<camera>\d{2})_\d{4}[a-z]+_\d{4,}_\d+(?:_ex)?"
    ),
    _form("MARS", r"(?P<identity>00-1|\d{4})C(?P<camera>\d)T\d{4}F\d{3,}", DISTRACTORS),
    # an outfit of a piece of clothing is an identity
    _form(
        "DeepFashion",
        r"(?:deepfashion|fashion|fasion)(?P<identity>(?:WOMEN|MEN)\w+?id\d{8}\d{2})_\d\w+",
        NOBODY,
        "deepfashion",
    ),
)
DEEPFASHION_FOLDERS = re.compile(r"(?:.*/)?(?:MEN|WOMEN)/\w+/id_\d+/[^/]+", re.ASCII)
# folders of data sets: these are splits wherever they occur, others beside another of them
SPLITS = re.compile(
    r"bounding_box_\w+|bbox_\w+|gt_bbox|gt_query|query|multi-query|mask_(?:train|test)_v2|train"
    r"|images_(?:labeled|detected)|\w+_body_images",
    re.IGNORECASE,
)
MORE_SPLITS = re.compile(
    r"train\w*|test\w*|val|valid|validation|dev|gallery|probe|distractors", re.IGNORECASE
)
CAMERA = re.compile(r"cam(?:era)?(?:[ _-]?\d{1,3}|[ _-][a-z])", re.IGNORECASE)
SHORT_CAMERA = re.compile(r"c[ _-]?\d{1,2}", re.IGNORECASE)  # only if all folders are such


@dataclass(frozen=True)
class Name:
    """What a file name of a data set's form says. camera: None where it names none."""

    identity: str
    camera: int | None
    form: Form

    @property
    def nobody(self) -> bool:
        return self.identity in self.form.nobody


def parse(file: str) -> Name | None:
    """Read a file name of a known form, with or without suffixes; None for any other name."""
    stem = bare(file)
    for form in FORMS:
        if match := form.pattern.fullmatch(stem):
            found = match.groupdict()
            camera = found.get("camera")
            return Name(found["identity"], None if camera is None else int(camera), form)
    return None


def bare(file: str) -> str:
    """A file name without the suffixes of images, of which Market-1501 has .jpg.jpg."""
    while file.lower().endswith(SUFFIXES):
        file = file.rpartition(".")[0]
    return file


def label(path: str) -> str:
    """What the path of an image calls its identity, nobody's label included: 0002, -1, anna."""
    folder, _, file = path.rpartition("/")
    known = parse(file)
    if known and known.nobody:  # in whichever folder it lies
        return known.identity
    if folder:
        return folder.rpartition("/")[2]
    return known.identity if known else file.partition("_")[0]


def is_nobody(path: str) -> bool:
    """Whether an image shows no person of the data set: a false detection or a distractor."""
    known = parse(path.rpartition("/")[2])
    return label(path) in (known.form.nobody if known else NOBODY)


def identity_of(path: str) -> str:
    """The identity of an image by its relative path; "" for false detections and distractors."""
    return "" if is_nobody(path) else label(path)


def left_out(paths: Iterable[str]) -> str:
    """How many images of false detections and distractors there are, by label; "" for none."""
    counts = Counter(label(path) for path in paths if is_nobody(path))
    return ", ".join(f"{name} ({count})" for name, count in sorted(counts.items()))


def splits(paths: Iterable[str]) -> list[str]:
    """Folders of relative paths that are the splits of a data set and no people, sorted."""
    folders = {part for path in paths for part in path.split("/")[:-1]}
    named = {name for name in folders if SPLITS.fullmatch(name) or MORE_SPLITS.fullmatch(name)}
    sure = any(SPLITS.fullmatch(name) for name in named) or len(named) > 1
    return sorted(named) if sure else []


def cameras(paths: Iterable[str]) -> list[str]:
    """Folders of relative paths that are cameras and no people, sorted."""
    tops = {path.split("/")[0] for path in paths if "/" in path}
    found = {name for name in tops if CAMERA.fullmatch(name)}
    if tops and all(SHORT_CAMERA.fullmatch(name) for name in tops):
        found = tops
    return sorted(found)


def forms(paths: Iterable[str]) -> list[Form]:
    """The known forms of file names that occur, the most frequent first."""
    found = (parse(PurePosixPath(path).name) for path in paths)
    counts = Counter(name.form for name in found if name)
    return [form for form, _ in counts.most_common()]


def reader_of(paths: list[str]) -> str:
    """What relative paths of images are, and which reader takes them: a sentence, or ""."""
    known = forms(paths)
    if any(DEEPFASHION_FOLDERS.fullmatch(path) for path in paths) or (
        known and known[0].reader == "deepfashion"
    ):
        return "these are DeepFashion's, which reader: deepfashion takes"
    if known and splits(paths):
        return f"these are {known[0].title}'s splits, whose root reader: market1501 takes"
    if known and not any("/" in path for path in paths):
        return (
            f"this is one folder of names as {known[0].title}'s, which reader: folder takes; "
            "reader: market1501 takes the folder above, with its splits"
        )
    depths = {path.count("/") for path in paths if path.lower().endswith(SUFFIXES)}
    if depths == {1} and not splits(paths) and not cameras(paths):
        return "if each folder is a person, reader: folder takes it"
    return ""
