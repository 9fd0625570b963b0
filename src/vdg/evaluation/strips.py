"""Strips: source, target, generated image and more side by side, as the field saves its results."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vdg.errors import InputError
from vdg.evaluation.image_folders import Pictures, progress
from vdg.evaluation.names import MARKET
from vdg.large_arrays import Spool

LAYOUTS = {
    3: ("source", "target", "generated"),  # Def-GAN's, VU-Net's
    5: ("source", "pose", "target", "pose", "generated"),  # PATN's, and ours
}
"""The panels of the strips whose order is known, by their number."""
EXAMPLE = "--panels source,pose,target,pose,coarse,generated"
MARKET_1501 = (1 / 2,)
DEEPFASHION = (1.0, 11 / 16)
"""Width over height of the data sets' images: 64 x 128; 256 x 256, and 176 x 256."""
TOLERANCE = 0.02  # of an aspect


class Strips(NamedTuple):
    """What was read. size: (height, width) of a panel."""

    generated: Pictures
    targets: Pictures
    panels: Sequence[str]
    size: tuple[int, int]

    def __str__(self) -> str:
        height, width = self.size
        count = len(self.targets)
        what = (
            f"{count} strip{'s' * (count > 1)} of {len(self.panels)} panels of {width} x {height}"
        )
        return f"{what}: {', '.join(self.panels)}"


def parse_panels(text: str) -> int | Sequence[str]:
    """The panels' number or names. Raises ValueError that says what is wrong."""
    if text.isdecimal():
        if int(text) not in LAYOUTS:
            known = " and ".join(map(str, LAYOUTS))
            raise ValueError(
                f"the order of {text} panels is not known, only that of {known}: name them, as in "
                f"{EXAMPLE}"
            )
        return int(text)
    panels = text.split(",")
    for name in ("target", "generated"):
        if panels.count(name) != 1:
            raise ValueError(f"name one panel {name!r}, as in {EXAMPLE}")
    return panels


def split(
    strips: Mapping[str, np.ndarray],
    where: Path,
    panels: int | Sequence[str] | None = None,
    size: tuple[int, int] | None = None,
) -> Strips:
    """Cut strips into generated and target images.

    panels: from `parse_panels`; a number is checked against the aspect that the names tell, a list
    is not. None recognises 3 or 5 by the panels' size, or by the aspect that the data sets of the
    field have, of which the file names tell Market-1501's and DeepFashion's.
    size: (height, width) of the targets, where it is known from other files.

    Raises InputError where nothing or several things fit, and where what is known contradicts.
    """
    height, width = next(iter(strips.values())).shape[:2]
    if panels is None:
        panels = _count(list(strips), height, width, where, size)
        if panels not in LAYOUTS:
            raise InputError(
                f"{where}: {panels} panels of {_size(height, width // panels)}, whose order is not "
                f"known: name them, as in {EXAMPLE}"
            )
    count = panels if isinstance(panels, int) else len(panels)
    _require_panels(count, height, width, where, size)
    if isinstance(panels, int):
        panels = LAYOUTS[count]
        if not size and not _has(_aspects(list(strips)), height, width // count):
            raise InputError(
                f"{where}: {count} panels of {_size(height, width // count)}, but images of such "
                f"names have another aspect: if it is right, say --panels {','.join(panels)}"
            )
    spool, cut = Spool(), {"generated": {}, "target": {}}
    for name, strip in progress(strips):
        if strip.shape[:2] != (height, width):
            raise InputError(
                f"{where}: {name} is {_size(*strip.shape[:2])}, the first strip "
                f"{_size(height, width)}: all must be of one size"
            )
        pieces = np.split(strip, len(panels), axis=1)
        for kind, pictures in cut.items():
            pictures[name] = spool.keep(pieces[panels.index(kind)])
    return Strips(cut["generated"], cut["target"], panels, (height, width // len(panels)))


def _require_panels(
    count: int, height: int, width: int, where: Path, size: tuple[int, int] | None
) -> None:
    if width % count:
        raise InputError(
            f"{where}: strips of {_size(height, width)} are not {count} panels of one width: say "
            "what they are with --panels"
        )
    if size and size != (height, width // count):
        raise InputError(
            f"{where}: {count} panels of {_size(height, width // count)}, but the masks are "
            f"{_size(*size)}: mend --panels or --masks"
        )


def _count(
    names: list[str], height: int, width: int, where: Path, size: tuple[int, int] | None
) -> int:
    """How many panels strips of a height and width have. Raises InputError where it is open."""
    aspects = (size[1] / size[0],) if size else _aspects(names) or MARKET_1501 + DEEPFASHION
    counts = [
        count
        for count in range(2, width // 16 + 1)
        if width % count == 0 and _has(aspects, height, width // count)
    ]
    if len(counts) == 1:
        return counts[0]
    what = " or ".join(f"{count} of {_size(height, width // count)}" for count in counts)
    raise InputError(
        f"{where}: strips of {_size(height, width)} have {what or 'no number of'} panels"
        f"{', which their names do not tell' if counts else ' of a size that the field uses'}: "
        "say which with --panels, for example --panels 3"
    )


def _has(aspects: Sequence[float], height: int, width: int) -> bool:
    """Whether an image has one of some aspects; any has one of none."""
    near = (abs(width / height / aspect - 1) < TOLERANCE for aspect in aspects)
    return not aspects or any(near)


def _aspects(names: list[str]) -> Sequence[float]:
    """The aspects that the names tell; empty where they tell no data set."""
    if all(len(MARKET.findall(name)) == 2 for name in names):
        return MARKET_1501
    if all(name.startswith(("fashion", "fasion")) for name in names):
        return DEEPFASHION
    return ()


def _size(height: int, width: int) -> str:
    return f"{width} x {height}"
