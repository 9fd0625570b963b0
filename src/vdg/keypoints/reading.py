"""Read key points of any tool: what a file is shows in its content."""

import itertools
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from vdg.decoding import open_file
from vdg.errors import InputError
from vdg.keypoints import formats, order, units
from vdg.keypoints.annotations import KEYPOINTS_HEADER, read_rows, zero_is_missing, zeros_text
from vdg.keypoints.formats import PIXELS, Format, Size
from vdg.keypoints.skeletons import NECK, SHOULDERS, marked
from vdg.pose import TORSO

KEYS = [formats.CSV.key, *(entry.key for entry in formats.FORMATS if entry != formats.NOBODY)]
SOME = len(TORSO)  # joints; of fewer, a detection is a ghost
ENDINGS = ("_keypoints", "_pose")  # of OpenPose's files after the picture's name


@dataclass(frozen=True)
class Options:
    """How files are read where their content does not decide: None leaves it to the content.

    format: one of KEYS, of JSON. unit: one of formats.UNITS. confidence: a joint's least score.
    size: (H, W) of the picture that a pose is of.
    """

    format: str | None = None
    unit: str | None = None
    confidence: float | None = None
    size: Size | None = None


BY_CONTENT = Options()


@dataclass
class Shot:
    """A picture or frame. name, size: as of formats.Picture. people: (K, 18, 2), (y, x) in the
    file's unit, nan = missing. numbers: where they stand in the file, whose ghosts are left out."""

    name: str | None
    size: Size | None
    people: np.ndarray
    numbers: list[int]


@dataclass
class KeypointFile:
    """What was read. unit: one of formats.UNITS. said: whether the format or the user says it.

    notes: what to tell the user, one line each.
    """

    path: Path
    format: Format
    layout: str
    shots: list[Shot]
    unit: str = PIXELS
    said: bool = False
    notes: list[str] = field(default_factory=list)

    def found(self) -> np.ndarray:
        """All found joints (N, 2), in the file's unit."""
        return found_joints(shot.people for shot in self.shots)

    def about(self) -> str:
        """What it was taken for, in a line."""
        count = sum(len(shot.people) for shot in self.shots)
        parts = [self.layout or self.format.tool, "1 person" if count == 1 else f"{count} people"]
        if len(self.shots) > 1:
            parts.append(f"{len(self.shots)} pictures")
        sizes = {shot.size for shot in self.shots}
        if len(sizes) == 1 and None not in sizes:
            parts.append("canvas {} x {}".format(*next(iter(sizes))))
        if self.unit != PIXELS:
            parts.append(self.unit)
        if self.layout:
            parts[0] += f" ({self.format.tool})"
        return f"{self.path}: {', '.join(parts)}"

    def shot(self, name: str | None) -> Shot:
        """The picture of a name, or the only one.

        Names may differ in their folders and suffix, see `_fit`. A picture without a name is known
        by its place. Raises InputError if it is not there or not clear which one is meant.
        """
        names = self.names()
        if name is None:
            if len(self.shots) == 1:
                return self.shots[0]
            known = ", ".join(names[:3])
            raise InputError(
                f"{self.path} is of {len(self.shots)} pictures: name one, {self.path}:NAME, of "
                f"{known}, ..."
            )
        fits = [_fit(name, other) for other in names]
        best = [i for i, fit in enumerate(fits) if fit and fit == max(fits)]
        if len(best) == 1:
            return self.shots[best[0]]
        what = "row" if self.format == formats.CSV else "picture"
        if best:
            known = ", ".join(names[i] for i in best[:2])
            raise InputError(
                f"{self.path} has {len(best)} {what}s for {name!r}: name one, {self.path}:NAME, "
                f"of {known}{', ...' if len(best) > 2 else ''}"
            )
        near = [other for other in names if _stems(other)[-1:] == _stems(name)[-1:]]
        hint = f"; if {near[0]} is meant: {self.path}:{near[0]}" if near else ""
        raise InputError(f"{self.path} has no {what} for {name!r}{hint}")

    def names(self) -> list[str]:
        """The names of the pictures; their places where they have none."""
        return [s.name if s.name is not None else str(i) for i, s in enumerate(self.shots)]


def found_joints(people: Iterable[np.ndarray]) -> np.ndarray:
    """The found joints (N, 2) of arrays of people."""
    joints = np.concatenate([np.empty((0, 2)), *(p.reshape(-1, 2) for p in people)])
    return joints[~np.isnan(joints).any(1)]


def is_keypoints(path: Path) -> bool:
    """Whether a file is one of key points, by its first characters: no picture begins like it.

    A damaged or missing one is known by its suffix.
    """
    if path.suffix.lower() in (".json", ".csv") or not path.is_file():
        return path.suffix.lower() in (".json", ".csv")
    with open_file(path) as file:
        begin = file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
    return begin[:1] in (b"{", b"[") or begin.startswith(KEYPOINTS_HEADER.encode())


def read(path: Path, options: Options = BY_CONTENT) -> KeypointFile:
    """Read the key points of a file of any format.

    Raises InputError, in one line, for a file that is of none, and for values that are none.
    """
    path = Path(path)
    with open_file(path) as file:
        begin = file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
    if options.format == "csv" or (path.suffix.lower() == ".csv" and begin[:1] not in (b"{", b"[")):
        return _read_csv(path, options)
    if begin.startswith(KEYPOINTS_HEADER.encode()):
        return _read_csv(path, options)
    return _read_json(path, options)


def share_unit(files: Sequence[KeypointFile]) -> None:
    """Give the files of a motion one unit, by the joints of all of them."""
    undecided = [file for file in files if not file.said]
    unit = units.unit_of(found_joints(file.found() for file in undecided))
    for file in undecided:
        file.unit = unit


def say(lines: Iterable[str]) -> None:
    """Print lines for the user, each once."""
    for line in dict.fromkeys(lines):
        print(line, file=sys.stderr)


def placed(
    file: KeypointFile, shot: Shot, joints: np.ndarray, size: Size, image: str, remedy: str
) -> np.ndarray:
    """The joints (18, 2) of one of a shot's people as places in a picture of `size` (H, W).

    Places are float (y, x), nan = missing, where pixel k spans [k, k + 1). Joints beyond the
    picture are missing, as the file's notes then say. image, remedy: for the message.

    Raises InputError for a canvas of another shape, for many joints beyond, and for a doubtful
    unit.
    """
    where = f"{file.path}" if shot.name is None else f"{file.path}: {shot.name}"
    places = on_canvas(file, shot, joints, size)
    if shot.size is not None:
        places = places * units.onto(shot.size, size, where)
    places, beyond = units.without_beyond(places, size, where, image, remedy)
    if beyond:
        file.notes.append(f"{where}: {beyond} joints beyond the picture are missing")
    return places


def on_canvas(file: KeypointFile, shot: Shot, joints: np.ndarray, size: Size) -> np.ndarray:
    """Joints (..., 18, 2) in pixels of the shot's canvas, or of `size` (H, W) without one."""
    canvas = shot.size or size
    if file.unit == PIXELS and not file.said:
        units.require_no_percent(found_joints([joints]), canvas, f"{file.path}")
    return units.scaled(joints, file.unit, canvas)


def split_choice(text: str) -> tuple[Path, list[str]]:
    """ "FILE:NAME:K" -> (FILE, [NAME, K]); a file may have colons in its own name."""
    parts = text.split(":")
    for count in range(len(parts), 0, -1):
        path = Path(":".join(parts[:count]))
        if path.is_file():
            return path, parts[count:]
    for count in range(len(parts), 0, -1):
        path = Path(":".join(parts[:count]))
        if path.suffix.lower() in (".json", ".csv"):
            return path, parts[count:]
    return Path(text), []


def select(file: KeypointFile, choice: list[str], name: str | None = None):
    """The shot and the person's number of what follows a file's name: NAME, K, or NAME and K.

    name: the path of the picture that is meant where none is chosen. Returns (Shot, int or None).
    """
    choice = list(choice)
    person = None
    several = len(file.shots) > 1 or (file.format == formats.CSV and bool(choice))
    if choice and choice[-1].isdecimal() and len(choice) == (2 if several else 1):
        person = int(choice.pop())
    wanted = ":".join(choice) or None
    if wanted is None and len(file.shots) > 1 and file.shots[0].name is not None:
        wanted = name
    shot = file.shot(wanted)
    if wanted is None and None not in (name, shot.name) and not _fit(name, shot.name):
        file.notes.append(f"warning: {file.path} is of {shot.name}, not of {name}")
    return shot, person


def _read_csv(path: Path, options: Options) -> KeypointFile:
    rows = read_rows(path, fractions=True)
    stack = np.array(list(rows.values()), float).reshape(-1, 18, 2)
    whole = all(np.issubdtype(joints.dtype, np.integer) for joints in rows.values())
    joints = np.where((stack == -1).all(-1, keepdims=True), np.nan, stack)
    notes = []
    if zero_is_missing(stack):
        zero = (stack == 0).all(-1)
        joints[zero] = np.nan
        notes.append(f"{path}: {zeros_text(int(zero.sum()))}")
    # whole numbers are indices of pixels, whose centres are meant; see vdg.keypoints.units
    joints = joints + 0.5 if whole and options.unit in (None, PIXELS) else joints
    shots = [Shot(name, None, j[None], [0]) for name, j in zip(rows, joints, strict=True)]
    file = KeypointFile(path, formats.CSV, "18 joints", shots, said=whole, notes=notes)
    return _settled(file, options)


def _read_json(path: Path, options: Options) -> KeypointFile:
    value = _load(path)
    entry = _recognised(value, path, options.format)
    try:
        pictures = entry.read(value)
    except InputError as error:
        if options.format is not None and not entry.fits(value):
            raise InputError(
                f"{path} is not as {entry.tool} writes it: leave --format out, or give another"
            ) from error
        raise InputError(f"{path}: {error}") from error
    except (KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
        remedy = "name what it is with --format"
        remedy = remedy if options.format is None else "leave --format out, or give another"
        raise InputError(f"{path} is not as {entry.tool} writes it: {remedy}") from error
    if not pictures:
        raise InputError(f"{path} has no key points: write the file again")
    layout = next((picture.layout for picture in pictures if picture.layout), "")
    file = KeypointFile(path, entry, layout, [])
    least = entry.threshold if options.confidence is None else options.confidence
    zeros = weak = ghosts = 0
    for picture in pictures:
        shot = Shot(picture.name, picture.size, np.empty((0, 18, 2)), [])
        people = []
        for number, person in enumerate(picture.people):
            joints, zero, low = _found(person, max(least, np.finfo(float).tiny))
            zeros, weak = zeros + zero, weak + low
            if (~np.isnan(joints[:, 0])).sum() < SOME:
                ghosts += bool(np.isfinite(joints).any())
                continue
            people.append(joints)
            shot.numbers.append(number)
        shot.people = np.array(people).reshape(-1, 18, 2)
        file.shots.append(shot)
    lost = formats.caution(value)
    for count, text in (
        (lost, lost),
        (zeros, zeros_text(zeros)),
        (weak, f"{weak} joints below a score of {least:g} are missing (--confidence)"),
        (ghosts, f"{ghosts} detections of fewer than {SOME} joints are left out"),
    ):
        if count:
            file.notes.append(f"{path}: {text}")
    return _settled(file, options)


def _load(path: Path):
    with open_file(path) as file:
        data = file.read()
    try:
        return json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        if data.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<"):
            raise InputError(
                f"{path} is XML: export COCO's key points instead (in CVAT: COCO Keypoints 1.0)"
            ) from error
        reason = "not UTF-8 text" if isinstance(error, UnicodeDecodeError) else "not valid JSON"
        raise InputError(f"{path} is {reason}: get the file again") from error


def _recognised(value, path: Path, key: str | None) -> Format:
    if key is not None and not formats.NOBODY.fits(value):
        return next(entry for entry in formats.FORMATS if entry.key == key)
    for entry in formats.FORMATS:
        if entry.fits(value):
            return entry
    kinds = {dict: "an object", list: "a list", str: "a text", bool: "true or false"}
    what = kinds.get(type(value), "a number")
    first = value[0] if isinstance(value, list) and value else value
    keys = f" with {', '.join(list(first)[:4])}" if isinstance(first, dict) and first else ""
    raise InputError(
        f"{path} is {what}{keys}, which no known tool writes: see the formats in "
        "docs/keypoints.md, or name it with --format"
    )


def _found(person: formats.Person, least: float) -> tuple[np.ndarray, int, int]:
    """Joints (18, 2), (y, x), nan = missing; how many at (0, 0) had a score; how many were weak."""
    joints, scores = person.joints[:, ::-1].copy(), person.scores
    given = ~np.isnan(joints).any(1)
    marks = given & marked(joints)
    zero = marks & (joints == 0).all(1) & (scores >= least)
    weak = given & ~marks & (scores < least) & (scores > 0)
    joints[~given | marks | (scores < least)] = np.nan
    return joints, int(zero.sum()), int(weak.sum())


def _settled(file: KeypointFile, options: Options) -> KeypointFile:
    """The file with its unit, and with notes on what its people's anatomy shows."""
    if options.unit is not None or file.format.unit is not None:
        file.unit, file.said = options.unit or file.format.unit, True
    elif not file.said:
        file.unit = units.unit_of(file.found())
    people = np.concatenate([np.empty((0, 18, 2)), *(shot.people for shot in file.shots)])
    crowned = order.crowned(people)
    if crowned.any():
        for shot in file.shots:
            necks = order.crowned(shot.people)
            shot.people[necks, NECK] = shot.people[necks][:, list(SHOULDERS)].mean(1)
        file.notes.append(
            f"{file.path}: the neck of {crowned.sum()} of {len(people)} people lies above the "
            "head, as AlphaPose writes it: the middle of the shoulders is taken"
        )
        people = np.concatenate([np.empty((0, 18, 2)), *(shot.people for shot in file.shots)])
    for doubt in order.doubts(people):
        file.notes.append(f"warning: {file.path}: {doubt}")
    return file


def _fit(name: str, other: str) -> tuple[int, bool, bool] | tuple[()]:
    """How well two paths may be of one picture, to compare; () if they cannot be.

    They end alike, for one part at least, and for two where both have a folder: "photos/b/0.jpg" is
    that of "b/0.jpg", of "0.jpg" and of "images/b/0.png", not of "a/0.jpg". Better are more
    parts, the same suffix, the same length.
    """
    for same_suffix, form in ((True, _parts), (False, _stems)):
        one, two = form(name), form(other)
        pairs = zip(one[::-1], two[::-1], strict=False)
        count = len(list(itertools.takewhile(lambda pair: pair[0] == pair[1], pairs)))
        if count and count >= min(len(one), len(two), 2):
            return count, same_suffix, len(one) == len(two)
    return ()


def _parts(name: str) -> tuple[str, ...]:
    return Path(name.replace("\\", "/")).parts


def _stems(name: str) -> tuple[str, ...]:
    return _parts(without_ending(name))


def without_ending(name: str) -> str:
    """A path without its suffix, and without what OpenPose appends to a picture's name."""
    stem = str(Path(name).with_suffix("")) if Path(name).suffix else name
    for ending in ENDINGS:
        stem = stem.removesuffix(ending)
    return stem
