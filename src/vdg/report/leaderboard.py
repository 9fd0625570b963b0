"""A CSV of scored folders of images, one row each."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from vdg.errors import InputError
from vdg.files import write_bytes
from vdg.large_arrays import Array
from vdg.version import __version__

COLUMNS = [
    "name",
    "pairs",
    "generated_sha256",
    "targets_sha256",
    "classifier",
    "command",
    "version",
]
"""Before one column for each metric."""
HASHES = ["generated_sha256", "targets_sha256"]


def digest(names: Sequence[str], images: Array) -> str:
    """SHA-256 over names and pixels, by name: equal for equal images in any file format.

    images: uint8 (N, H, W, 3).
    """
    sha = hashlib.sha256()
    for i in sorted(range(len(images)), key=lambda i: names[i]):
        name, image = names[i], images[i]
        sha.update(f"{name}\n{image.shape}\n".encode("utf-8", "surrogateescape"))
        sha.update(image.tobytes())
    return sha.hexdigest()


def read(path: Path) -> pd.DataFrame:
    """The rows of a leaderboard; none if there is no such file. Raises InputError."""
    if not path.exists():
        return pd.DataFrame(columns=COLUMNS)
    try:
        table = pd.read_csv(path, dtype={"name": str})
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path}: {error}".replace("\n", " ")) from error
    missing = [column for column in COLUMNS if column not in table]
    if missing:
        raise InputError(f"{path} is no leaderboard: it has no column {missing[0]!r}")
    return table


def require_free(path: Path, name: str, hashes: dict[str, str]) -> None:
    """Raise InputError if a row of this name is of other images."""
    table = read(path)
    taken = table[table["name"] == name]
    if len(taken) and (taken[HASHES] != [hashes[key] for key in HASHES]).any(axis=None):
        raise InputError(
            f"{path} has a row {name!r} of other images: choose another --name, or delete that row"
        )


def append(path: Path, row: dict, metrics: dict[str, float]) -> None:
    """Add a row, or replace the one of the same name and images. The file is written atomically.

    row: COLUMNS, except the version. Raises InputError as `require_free` does.
    """
    require_free(path, row["name"], row)
    table = read(path)
    new = pd.DataFrame([row | {"version": __version__} | metrics])
    kept = table[table["name"] != row["name"]]
    both = pd.concat([kept, new], ignore_index=True) if len(kept) else new
    both = both[[*COLUMNS, *sorted(set(both) - set(COLUMNS))]]
    text = both.to_csv(index=False, float_format="%.6f")
    write_bytes(path, text.encode("utf-8", "surrogateescape"))
