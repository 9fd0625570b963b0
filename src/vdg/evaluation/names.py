"""File names of generated images: what this project writes, and what the field writes."""

import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

SUFFIXES = (".jpg", ".jpeg", ".png")
VIS = "_vis"  # PATN's, VU-Net's, GFLA's, DPTN's, PIDM's
JOINTS = ("__", "___", "_2_", "_", "-")
"""Between the two names: this project's, PATN's and VU-Net's, GFLA's, Def-GAN's, and a dash."""

MARKET = re.compile(r"(?:-1|\d{4,})_c(\d+)s(\d+)_\d+_\d+")
"""A name of Market-1501 without suffix: identity, camera, sequence, frame, box."""
CAMERAS = ("one sequence", "one camera", "two cameras")
"""What two images of Market-1501 share: "one camera" is one in two sequences."""


def pair_name(source: str, target: str) -> str:
    """The name of a generated image, without suffix, by the file names of its pair."""
    return f"{bare(source)}__{bare(target)}"


def strip_name(source: str, target: str) -> str:
    """The name of a strip, without suffix, as PATN's code writes it."""
    return f"{source}___{target}{VIS}"


def spellings(source: str, target: str) -> Iterator[str]:
    """All names, without suffix, that the field gives a pair's image."""
    for names in {(bare(source), bare(target)), (source, target)}:
        for joint in JOINTS:
            yield joint.join(names)
            yield joint.join(names) + VIS


def target_of(name: str, known: Collection[str]) -> str | None:
    """The target in the name of a pair's image: the longest of the known names that it ends in.

    name: without the image's suffix. known: names without suffix. None where the name ends in none
    of them, even if it begins with one, which is then the source.
    """
    name = bare(name.removesuffix(VIS))
    starts = (i for i in range(len(name)) if i == 0 or name[i - 1] in "_-")
    return next((name[i:] for i in starts if name[i:] in known), None)


def places(pairs: Iterable[tuple[str, str]]) -> dict[str, int]:
    """The place of each pair in a list, by every spelling; -1 for one that is of two pairs."""
    listed = list(pairs)
    first_places: dict[str, int] = {}
    for i, pair in enumerate(listed):
        for name in set(spellings(*pair)):
            first = first_places.get(name, i)
            first_places[name] = first if first >= 0 and listed[first] == pair else -1
    return first_places


def cameras(names: Iterable[str]) -> list[str] | None:
    """Which of `CAMERAS` each pair is, from a text that holds its two names, the source first.

    None unless all are names of Market-1501's form.
    """
    pairs = [MARKET.findall(name) for name in names]
    if not pairs or any(len(shots) != 2 for shots in pairs):
        return None
    return [CAMERAS[0 if a == b else 1 if a[0] == b[0] else 2] for a, b in pairs]


def bare(name: str) -> str:
    """A name without an image's suffix."""
    return Path(name).stem if Path(name).suffix.lower() in SUFFIXES else name
