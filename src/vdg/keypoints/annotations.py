"""The CSV formats of key points and pairs, introduced by Def-GAN and used by later systems.

Key points: header `name:keypoints_y:keypoints_x`; then per line a name and two lists of 18
integers, y and x in pixels, -1 for a missing joint. Pairs: header `from,to`; then two names.
"""

import json
import sys
from collections.abc import Collection, Iterable
from pathlib import Path

import numpy as np

from vdg.errors import InputError
from vdg.files import write_bytes

JOINTS = 18  # OpenPose's COCO order
KEYPOINTS_HEADER = "name:keypoints_y:keypoints_x"
PAIRS_HEADER = "from,to"
LARGEST = np.iinfo(np.int16).max


def read_keypoints(path: Path) -> dict[str, np.ndarray]:
    """Read the key points of each image: int16, (18, 2) as (y, x), -1 = missing; in file order.

    Joints at (0, 0) of a file that writes 0 for missing are missing, in a line on stderr; see
    `zero_is_missing`. Raises InputError, with file and line, for any deviation from the published
    format.
    """
    rows = read_rows(path, fractions=False)
    keypoints = np.array(list(rows.values())).reshape(-1, JOINTS, 2).astype(np.int16)
    if zero_is_missing(keypoints):
        zero = (keypoints == 0).all(-1)
        print(f"{path}: {zeros_text(int(zero.sum()))}", file=sys.stderr)
        keypoints[zero] = -1
    return dict(zip(rows, keypoints, strict=True))


def zeros_text(count: int) -> str:
    """What is said where joints at (0, 0) are missing."""
    return f"{count} joints at (0, 0) are read as missing"


def zero_is_missing(keypoints: np.ndarray) -> bool:
    """Whether the joints at (0, 0) of a file's people (N, 18, 2) are missing, not in that corner.

    They are if two joints of one person lie there, or if the file has no -1. A single 0, 0 beside
    -1 is a place: the published Market-1501 files have 3 among 390,000 joints, in files where
    every fifth joint is missing and -1; no picture of theirs has two.
    """
    corner = (keypoints == 0).all(-1)
    return bool(corner.any()) and (not (keypoints < 0).any() or bool((corner.sum(-1) > 1).any()))


def read_rows(path: Path, fractions: bool) -> dict[str, np.ndarray]:
    """Read each image's joints (18, 2) as (y, x), -1 = missing; in file order.

    fractions: take numbers with fractions, and null or NaN for missing, as other tools write them.
    """
    rows, lines = {}, {}
    for number, line in _rows(path, KEYPOINTS_HEADER):
        where = f"{path}, line {number}"
        name, _, lists = line.partition(":")
        ys, _, xs = lists.partition(":")
        if not name or not xs:
            raise InputError(f"{where}: expected {KEYPOINTS_HEADER}, found {line[:60]!r}")
        if name in lines:
            raise InputError(f"{where}: {name} is on line {lines[name]} already: remove one")
        y = _joints(ys, f"{where}, keypoints_y", fractions)
        x = _joints(xs, f"{where}, keypoints_x", fractions)
        for joint, (row, column) in enumerate(zip(y, x, strict=True)):
            if (row == -1) != (column == -1):
                raise InputError(
                    f"{where}: joint {joint} is y {row}, x {column}: a missing joint is -1 in both"
                )
        lines[name] = number
        rows[name] = np.array([y, x]).T
    return rows


def write_keypoints(path: Path, names: Iterable[str], keypoints: Iterable[np.ndarray]) -> None:
    """Write key points, each (18, 2) as (y, x), in the format of `read_keypoints`."""
    write_bytes(path, keypoints_csv(names, keypoints))


def keypoints_csv(names: Iterable[str], keypoints: Iterable[np.ndarray]) -> bytes:
    """The bytes that `write_keypoints` writes."""
    rows = [KEYPOINTS_HEADER]
    for name, joints in zip(names, keypoints, strict=True):
        y, x = np.asarray(joints).T.tolist()
        rows.append(f"{name}: {y}: {x}")
    # file names may contain arbitrary bytes
    return ("\n".join(rows) + "\n").encode("utf-8", "surrogateescape")


def read_pairs(path: Path) -> list[tuple[str, str]]:
    """Read the (source, target) names of each pair, in file order.

    Raises InputError, with file and line, for any deviation from the published format.
    """
    pairs = []
    for number, line in _rows(path, PAIRS_HEADER):
        names = tuple(line.split(","))
        if len(names) != 2 or not all(names):
            raise InputError(f"{path}, line {number}: expected {PAIRS_HEADER}, found {line[:60]!r}")
        if names[0] == names[1]:
            raise InputError(f"{path}, line {number}: {names[0]} is paired with itself: remove it")
        pairs.append(names)
    return pairs


def check_names(names: Iterable[str], known: Collection[str], what: str) -> None:
    """Raise InputError if some of `names` are not in `known`.

    known: a set or dict, because each name is looked up. what: prefix of the error message.
    """
    unknown = [name for name in dict.fromkeys(names) if name not in known]
    if unknown:
        listed = ", ".join(unknown[:3]) + (", ..." if unknown[3:] else "")
        raise InputError(f"{what}: {len(unknown)} names without an image: {listed}")


def _rows(path, header):
    """Yield (line number, text) of each line after the header."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")  # spreadsheets write a byte-order mark
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}; check the path") from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}, line {line}: not UTF-8 text: get the file again") from error
    first, *rows = text.removesuffix("\n").split("\n")
    if first != header:
        raise InputError(f"{path}, line 1: expected the header {header}, found {first[:60]!r}")
    if not rows:
        raise InputError(f"{path} holds the header alone: get the file again")
    yield from enumerate(rows, 2)


def _joints(text, where, fractions):
    """Parse one list of 18 coordinates."""
    kind = "numbers" if fractions else "integers"
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, list):
        raise InputError(f"{where}: expected a list of {JOINTS} {kind}, found {text[:60]!r}")
    if len(values) != JOINTS:
        raise InputError(f"{where}: expected {JOINTS} {kind}, found {len(values)} values")
    if fractions:
        values = [-1 if value is None or value != value else value for value in values]
    for value in values:  # isinstance would accept bool
        allowed = type(value) is int or (fractions and type(value) is float)
        if not allowed or not -1 <= value <= LARGEST:
            found = json.dumps(value)[:60]
            raise InputError(f"{where}: expected pixels or -1 for missing, found {found}")
    return values
