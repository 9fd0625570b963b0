"""Command-line options that several commands share."""

import argparse
import math
import re

from vdg.keypoints import formats, reading
from vdg.keypoints.reading import Options


def size(text: str) -> tuple[int, int]:
    """argparse type of a size, HEIGHTxWIDTH in pixels."""
    sides = re.fullmatch(r"(\d{1,5})[xX](\d{1,5})", text)
    if not sides or not int(sides[1]) * int(sides[2]):
        raise argparse.ArgumentTypeError(f"{text!r} is not HEIGHTxWIDTH in pixels, such as 256x128")
    return int(sides[1]), int(sides[2])


def share(text: str) -> float:
    """argparse type of a number from 0 on, such as a score."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 on")
    return value


def add_reading(parser: argparse.ArgumentParser, size_of: str = "--pose-size") -> None:
    """Add the options that say how files of key points are read, for `reading_options`."""
    add = parser.add_argument_group("files of key points").add_argument
    add("--format", choices=reading.KEYS, help="of the JSON files; default: by their content")
    add("--unit", choices=formats.UNITS, help="of the coordinates; default: by their range")
    add("--confidence", type=share, metavar="C", help="least score of a joint; default: the "
        "format's own")  # fmt: skip
    add(size_of, dest="size", type=size, metavar="HxW", help="height and width in pixels of the "
        "picture that a pose's key points are of")  # fmt: skip


def reading_options(args: argparse.Namespace) -> Options:
    """The options of parsed arguments."""
    return Options(args.format, args.unit, args.confidence, args.size)
